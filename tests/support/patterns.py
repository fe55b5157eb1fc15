"""Every regular expression of the product, collected from its source, and how each is used."""

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_HALVES: Final = ("shared", "scheduler", "worker", "deploy")
METHODS: Final = frozenset(
    ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
)


def _numbering() -> list[re.Pattern[Any]]:
    from shared.domain import numbering

    made = [numbering._load(start) for start in ("1", "39", "44", "49", "55", "225")]
    return [pattern for pattern in made if pattern is not None]


#: Files whose functions make patterns that no module holds: a call that gives some of them.
_MADE_LATER: Final[dict[str, Callable[[], list[re.Pattern[Any]]]]] = {
    "shared/domain/numbering.py": _numbering,
}


@dataclass
class Collected:
    """`uses`: pattern → methods it is used with; `unknown`: calls whose pattern nobody can tell."""

    uses: dict[re.Pattern[Any], set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: list[str] = field(default_factory=list)


def collected() -> Collected:
    """All patterns of the product."""
    found = Collected()
    trees = {file: ast.parse((_ROOT / file).read_text()) for file in _files()}
    methods = _methods(trees.values())
    for file, tree in trees.items():
        held = dict(_module_patterns(file))
        for name, pattern in held.items():
            found.uses[pattern] |= methods.get(name.partition("[")[0], set()) or {"search"}
        for call in _calls(tree):
            _add_call(found, file, call, held)
    return found


def _files() -> Iterator[Path]:
    for half in _HALVES:
        for file in sorted((_ROOT / half).rglob("*.py")):
            if "migrations" not in file.parts:
                yield file.relative_to(_ROOT)


def _methods(trees: Any) -> dict[str, set[str]]:
    """The methods that are called, or handed on, of each name."""
    methods = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or node.attr not in METHODS:
                continue
            if isinstance(node.value, ast.Name):
                methods[node.value.id].add(node.attr)
    return methods


def _module_patterns(file: Path) -> Iterator[tuple[str, re.Pattern[Any]]]:
    name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    for variable, value in vars(importlib.import_module(name)).items():
        for number, pattern in enumerate(_held(value)):
            yield f"{variable}[{number}]", pattern


def _held(value: object, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
        return
    items: Any = value.values() if isinstance(value, dict) else value
    if depth < 3 and isinstance(value, dict | tuple | list | set | frozenset):
        for item in list(items):
            yield from _held(item, depth + 1)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """re.compile(…), re.sub(…) and so on, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if (
                isinstance(of, ast.Name)
                and of.id == "re"
                and node.func.attr in {*METHODS, "compile"}
            ):
                yield node


def _add_call(
    found: Collected, file: Path, call: ast.Call, held: dict[str, re.Pattern[Any]]
) -> None:
    how = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    first = call.args[0]
    if isinstance(first, ast.Constant):
        if how != "compile":
            constant: Any = first.value
            found.uses[re.compile(constant, _flags(call))].add(how)
    elif str(file) in _MADE_LATER:
        for pattern in _MADE_LATER[str(file)]():
            found.uses[pattern] |= {"fullmatch"}
    elif how != "compile" or not held:
        found.unknown.append(f"{file}:{call.lineno}")


def _flags(call: ast.Call) -> int:
    """The flags of a call, such as re.I | re.ASCII."""
    flags = 0
    for given in (*call.args[1:], *(k.value for k in call.keywords if k.arg == "flags")):
        for node in ast.walk(given):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "re":
                flags |= getattr(re, node.attr)
    return flags
