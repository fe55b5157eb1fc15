"""Sizes and names: what a reader may rely on."""

import ast
import re
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from shared import metrics
from tests.support import sources

LONGEST_FILE = 330
LONGEST_FUNCTION = 40
VAGUE = {
    *("utils", "util", "helpers", "helper", "common", "misc", "manager", "service", "services"),
    *("handler", "handlers", "core", "base", "data", "info"),
}
#: The protocols every adapter is made of.
PROTOCOLS = "shared/providers/base.py"
#: SQLAlchemy's own word for what all tables derive from.
DECLARATIVE = ("shared/db/models/declarative.py", "Base")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    lines = {sources.name(p): len(p.read_text().splitlines()) for p in sources.modules()}

    too_long = {name: count for name, count in lines.items() if count > LONGEST_FILE}
    assert too_long == {}


def test_no_function_is_too_long_to_see_at_once() -> None:
    too_long = {
        f"{name}: {node.name}": length
        for name, node in definitions()
        if isinstance(node, FUNCTIONS)
        # What is done, not what is asked for: a command's options are a table of their own.
        and (length := (node.end_lineno or 0) - node.body[0].lineno + 1) > LONGEST_FUNCTION
    }

    assert too_long == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    vague = [
        sources.name(path)
        for path in sources.modules()
        if path.stem in VAGUE or path.stem.startswith("process_") or path.parent.name in VAGUE
    ]

    assert vague == [PROTOCOLS]


def test_no_class_has_a_name_that_says_nothing() -> None:
    vague = [
        (name, node.name)
        for name, node in definitions()
        if isinstance(node, ast.ClassDef)
        and re.findall(r"[A-Z][a-z0-9]*", node.name)[-1:] != []
        and re.findall(r"[A-Z][a-z0-9]*", node.name)[-1].lower() in VAGUE
    ]

    assert vague == [DECLARATIVE]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        sources.name(path)
        for path in sources.modules()
        if path.read_text().strip() and ast.get_docstring(sources.tree(path)) is None
    ]

    assert silent == []


def test_packages_do_nothing_when_they_are_imported() -> None:
    busy = [
        sources.name(path)
        for path in sources.modules()
        if path.name == "__init__.py"
        for node in sources.tree(path).body
        if isinstance(node, (ast.Expr, ast.If, ast.For, ast.With, ast.Try))
        and not isinstance(getattr(node, "value", None), ast.Constant)
    ]

    assert busy == []


def test_every_metric_is_used_and_is_ours_by_name() -> None:
    declared = {n: m for n, m in vars(metrics).items() if isinstance(m, MetricWrapperBase)}
    used = {
        name
        for path in sources.modules()
        for name in re.findall(r"\bmetrics\w*\.(\w+)", path.read_text())
    }

    assert set(declared) - used == set()
    assert all(metric._name.startswith("volley_") for metric in declared.values())


def test_no_label_of_a_metric_can_name_a_person_or_a_campaign() -> None:
    labels = {
        label for metric in vars(metrics).values() for label in getattr(metric, "_labelnames", ())
    }

    assert labels & {"phone", "to", "number", "campaign", "campaign_id", "message_id"} == set()


def definitions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every function and class, with the name of its file."""
    for path in sources.modules():
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                yield sources.name(path), node
