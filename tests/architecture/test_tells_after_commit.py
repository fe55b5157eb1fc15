"""Nobody outside hears of a change before it is committed: they would look, and find nothing.

It is found in the sources: whatever runs inside a transaction, however deep, calls nothing that
publishes to the broker or nudges over Redis. What is to be told is handed to `after_commit`.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from tests.support import sources

#: Functions that tell others, by the module they stand in.
TELL: Final = {"shared.throttle.nudge.nudge", "shared.queue.publish.publish"}
#: Calls that tell whoever holds the server's client.
TELLING: Final = {"nudge", "publish", "send_task"}
#: Blocks in which a transaction is open, and the argument by which one is handed on.
OPENS: Final = {"transaction", "begin", "begin_nested"}
HANDED: Final = "Connection"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_nothing_is_told_inside_a_transaction() -> None:
    trees = {
        sources.name(path).removesuffix(".py").replace("/", "."): sources.tree(path)
        for path in sources.modules()
    }

    assert told_inside(trees) == []
    assert len([1 for tree in trees.values() for _ in _inside(tree)]) > 100  # it finds them


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    with transaction() as c:\n        nudge()\n",
        "def f(connection: Connection):\n    nudge()\n",
        "def f(connection: Connection):\n    g()\ndef g():\n    publish([])\n",
        "def f():\n    with begin():\n        h()\ndef h():\n    g()\ndef g():\n    nudge()\n",
        "def f(c: Connection):\n    Tally(redis()).nudge()\n",
        "def f():\n    def work(c: Connection):\n        nudge()\n    retried(work)\n",
        "def f():\n    retried(lambda connection: nudge())\n",
    ],
)
def test_the_search_finds_what_is_told_too_early(code: str) -> None:
    head = "from shared.throttle.nudge import nudge\nfrom shared.queue.publish import publish\n"

    assert told_inside({"module": ast.parse(head + code)})


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    with transaction() as c:\n        c.execute(x)\n    nudge()\n",
        "def f(connection: Connection):\n    after_commit(connection, nudge)\n",
        "def f():\n    retried(work)\n    nudge()\ndef work(connection: Connection):\n    pass\n",
    ],
)
def test_what_is_told_after_the_commit_is_right(code: str) -> None:
    head = "from shared.throttle.nudge import nudge\n"

    assert told_inside({"module": ast.parse(head + code)}) == []


def told_inside(trees: Mapping[str, ast.Module]) -> list[str]:
    """The calls within a transaction that tell others, directly or by what they call."""
    names = {module: _names(module, tree) for module, tree in trees.items()}
    calls = {
        f"{module}.{function.name}": set(_called(function.body, names[module]))
        for module, tree in trees.items()
        for function in ast.walk(tree)
        if isinstance(function, _Function)
    }
    tells = set(TELL)
    while more := {name for name, called in calls.items() if called & tells} - tells:
        tells |= more
    return [
        f"{module}: {call}"
        for module, tree in trees.items()
        for body in _inside(tree)
        for call in _called(body, names[module])
        if call in tells
    ]


def _inside(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """What runs in an open transaction: blocks, and functions that are handed its connection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            if any(_last(item.context_expr) in OPENS for item in node.items):
                yield node.body
        elif isinstance(node, _Function):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if any(a.annotation and ast.unparse(a.annotation) == HANDED for a in arguments):
                yield node.body
        elif isinstance(node, ast.Lambda) and [a.arg for a in node.args.args] == ["connection"]:
            yield [ast.Expr(node.body)]


def _called(body: list[ast.stmt], names: Mapping[str, str]) -> Iterator[str]:
    """The full names of what is called; for a method that tells, one of those that tell."""
    for statement in body:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            root, _, rest = function.partition(".")
            if root in names:
                yield names[root] + (f".{rest}" if rest else "")
            elif isinstance(node.func, ast.Attribute) and node.func.attr in TELLING:
                yield min(TELL)


def _names(module: str, tree: ast.Module) -> dict[str, str]:
    """What the module's own and imported names stand for."""
    own = {n.name: f"{module}.{n.name}" for n in ast.walk(tree) if isinstance(n, _Function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            own |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return own


def _last(node: ast.expr) -> str:
    """The name of what is called: transaction() and engine.begin() alike."""
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
