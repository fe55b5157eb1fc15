"""Finds SQL that is put together from pieces, in the syntax tree of a Python file."""

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Words that only SQL has in capitals.
_SQL: Final = re.compile(
    r"\b(?:SELECT|INSERT INTO|UPDATE \w+|DELETE FROM|COPY \w+|SET LOCAL|FROM \w+|WHERE|JOIN|"
    r"ORDER BY|GROUP BY|UNION ALL|RETURNING|CASE WHEN|MATERIALIZED|AT TIME ZONE|IS NULL|"
    r"IS NOT NULL|ANY \(|IN \(|CAST\()"
)
_MAKERS: Final = {"format", "format_map", "replace", "join", "substitute", "safe_substitute"}
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Glued(NamedTuple):
    """SQL that is made while the program runs: under which name or in which function, and how."""

    where: str
    how: str


def glued(tree: ast.Module) -> list[Glued]:
    """All of a module, in order of its text; and each `text()` that is no literal under a name."""
    texts = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _says_sql(node.value, set())
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    ours = any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("sqlalchemy")
        and any(one.name == "text" and one.asname is None for one in node.names)
        for node in ast.walk(tree)
    )
    return [
        Glued(where, how)
        for where, inside, node in _nodes(tree, "", inside=False)
        for how in [_made(node, texts) or (ours and _unnamed(node, inside=inside))]
        if how
    ]


def _nodes(node: ast.AST, where: str, *, inside: bool) -> Iterator[tuple[str, bool, ast.AST]]:
    """Every node, with the name it is under, and whether that is a function's."""
    yield where, inside, node
    if isinstance(node, _FUNCTIONS):
        where, inside = getattr(node, "name", where), True
    elif isinstance(node, ast.Assign | ast.AnnAssign) and not inside:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        where = ast.unparse(target)
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, where, inside=inside)


def _made(node: ast.AST, texts: set[str]) -> str:
    """How this node makes SQL; empty if it does not."""
    match node:
        case ast.JoinedStr(values=pieces):
            how, parts = "an f-string", list[ast.AST](pieces)
            if not any(isinstance(piece, ast.FormattedValue) for piece in pieces):
                return ""
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
            how, parts = "+ or %", [left, right]
        case ast.AugAssign(target=target, value=value):
            how, parts = "+=", [target, value]
        case ast.Call(func=ast.Attribute(attr=name, value=of)) if name in _MAKERS:
            how, parts = f".{name}()", [of, *node.args, *node.keywords]
        case _:
            return ""
    return how if any(_says_sql(part, texts) for part in parts) else ""


def _says_sql(node: ast.AST | None, texts: set[str]) -> bool:
    """Whether it writes SQL down, or names what does."""
    return node is not None and any(
        (isinstance(one, ast.Constant) and isinstance(one.value, str) and _SQL.search(one.value))
        or (isinstance(one, ast.Name) and one.id in texts)
        for one in ast.walk(node)
    )


def _unnamed(node: ast.AST, *, inside: bool) -> str:
    match node:
        case ast.Call(func=ast.Name(id="text"), args=[ast.Constant(), *_]):
            return "text() within a function" if inside else ""
        case ast.Call(func=ast.Name(id="text")):
            return "text() of what is not written there"
    return ""
