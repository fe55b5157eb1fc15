"""One commit, one reader of the environment, one clock, one Celery app: each in its own file."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import sources

ONE_OF_EACH = {
    "the commit": (
        r"\. begin \( \)|\. commit \(",
        # a savepoint of the one transaction, so that a lock may time out within it
        {"shared/db/session.py", "shared/ledger/campaigns.py"},
    ),
    "the engine": (r"\bcreate_engine \(", {"shared/db/session.py"}),
    "the reader of the environment": (
        r"\bos \. environ|\bgetenv\b|\bfrom os import .*environ",
        {"shared/settings.py"},
    ),
    "the settings": (
        r"\bSettings \( (\)|_env_file)",
        {"shared/settings.py"},
    ),
    "the clock": (
        r"\bdatetime \. (now|utcnow|today)|\bdate \. today|\btime \. time(_ns)? \(",
        {"shared/clock.py"},
    ),
    "the Celery app": (r"\bCelery \(", {"shared/queue/app.py"}),
    "the maker of tasks": (r"\. task \(|\bshared_task\b", {"shared/queue/handles.py"}),
    "the publisher": (r"\. (send_task|apply_async) \(", {"shared/queue/publish.py"}),
    "the store of the throttle": (
        r"\bRedis \. from_url \(|\bRedis \(",
        # the two in deploy only ask whether a server answers
        {
            "shared/throttle/redis_client.py",
            "deploy/local/servers/valkey.py",
            "deploy/local/doctor/stores.py",
        },
    ),
}


@pytest.mark.parametrize("what", ONE_OF_EACH)
def test_there_is_one_of_each_and_it_is_where_its_name_says(what: str) -> None:
    pattern, allowed = ONE_OF_EACH[what]

    found = {sources.name(path) for path in sources.modules() if re.search(pattern, spaced(path))}

    assert found == allowed


def test_nothing_is_left_to_celerys_own_timing() -> None:
    """Measured: an ETA, a countdown or a rate_limit breaks the rate, the memory or the promise."""
    timing = r"\b(eta|countdown|rate_limit|autoretry_for|retry_backoff) ="

    found = [sources.name(p) for p in sources.modules() if re.search(timing, spaced(p))]

    assert found == []


def test_what_runs_asks_nowhere_whether_it_is_being_tested() -> None:
    asking = r"\b(TESTING|PYTEST_CURRENT_TEST|is_test|testing)\b"

    found = [sources.name(p) for p in sources.modules() if re.search(asking, p.read_text())]

    assert found == []


def test_tests_wait_for_others_in_one_loop() -> None:
    programs = {  # run in processes of their own, or act between two looks
        "tests/chaos/proxy.py",
        "tests/support/hog_server.py",
        "tests/support/slow_worker.py",
    }
    files = sorted((sources.ROOT / "tests").rglob("*.py"))

    found = {sources.name(file) for file in files if _only_waits(ast.parse(file.read_text()))}

    assert found == {"tests/support/eventually.py"} | programs


def _only_waits(tree: ast.Module) -> bool:
    """Whether there is a loop that does nothing but sleep, and give up."""
    loops = (node for node in ast.walk(tree) if isinstance(node, ast.While))
    return any(
        any(_sleeps(step) for step in loop.body)
        and all(_sleeps(step) or _gives_up(step) for step in loop.body)
        for loop in loops
    )


def _sleeps(step: ast.stmt) -> bool:
    call = step.value if isinstance(step, ast.Expr) else None
    call = call.value if isinstance(call, ast.Await) else call
    return isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("sleep", ".wait"))


def _gives_up(step: ast.stmt) -> bool:
    raises = isinstance(step, ast.If) and isinstance(step.body[0], (ast.Return, ast.Raise))
    return raises or isinstance(step, (ast.Assert, ast.Pass))


@cache
def spaced(path: Path) -> str:
    """The file's code with one space between any two words or signs, so that patterns are plain."""
    words = re.findall(r"\w+|[^\w\s]", sources.code(path))
    return " ".join(words)
