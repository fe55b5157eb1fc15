"""No test hangs for ever: what stands still is ended, with the stacks of all threads."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.support import sources

OPTIONS = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["tool"]["pytest"][
    "ini_options"
]
#: Beside the thread that stands still there is another one, which may hold what it waits for.
HANGS = """
import itertools, threading, time

def another_thread_waits():
    time.sleep(600)

def test_it_hangs():
    threading.Thread(target=another_thread_waits, daemon=True).start()
    while True:
        time.sleep(1)

def test_it_hangs_in_c():
    sum(itertools.repeat(0))  # hears no signal and lets no other thread run

def test_it_is_well():
    pass
"""


def run(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The tests above, with this project's options and bounds of a second or two."""
    (tmp_path / "test_hangs.py").write_text(HANGS)
    options = ["-c", str(sources.ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), *words]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )


def test_a_test_that_hangs_fails_with_all_stacks_and_the_others_still_run(tmp_path: Path) -> None:
    ran = run(tmp_path, "-o", "timeout=1", "-k", "not in_c")

    assert ran.returncode == 1
    assert "1 failed, 1 passed" in ran.stdout
    assert "Timeout (>1.0s)" in ran.stdout
    assert "in another_thread_waits" in ran.stdout + ran.stderr


def test_a_test_that_hears_no_signal_ends_the_run_with_all_stacks(tmp_path: Path) -> None:
    ran = run(tmp_path, "-o", "timeout=1", "-o", "faulthandler_timeout=2", "-k", "in_c")

    assert ran.returncode == 1
    assert "in test_it_hangs_in_c" in ran.stderr


def test_the_backstop_comes_after_every_bound(request: pytest.FixtureRequest) -> None:
    marked = [item(request, mark) for mark in ("chaos", "bench")]
    pytest_collection_modifyitems(marked)
    bounds = [found.args[0] for one in marked for found in one.iter_markers("timeout")]

    assert len(bounds) == len(marked)
    assert OPTIONS["timeout"] < min(bounds)
    assert OPTIONS["faulthandler_timeout"] > max(bounds)
    assert OPTIONS["faulthandler_exit_on_timeout"]


def test_a_test_keeps_a_bound_of_its_own(request: pytest.FixtureRequest) -> None:
    own = item(request, "chaos")
    own.add_marker(pytest.mark.timeout(7))

    pytest_collection_modifyitems([own])

    assert [found.args[0] for found in own.iter_markers("timeout")] == [7]


def item(request: pytest.FixtureRequest, mark: str) -> pytest.Item:
    """A test as pytest collects it, with this mark."""
    made = pytest.Function.from_parent(request.node.parent, name=mark, callobj=lambda: None)
    made.add_marker(mark)
    return made
