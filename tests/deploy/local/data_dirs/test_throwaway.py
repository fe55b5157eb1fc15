"""Tests and the demo tidy up after runs that were killed, and after nobody else."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.data_dirs import data_dir as places
from deploy.local.data_dirs import leftovers, marks, ties
from deploy.local.data_dirs.throwaway import sweep
from deploy.local.data_dirs.ties import Tie
from deploy.local.system import processes
from tests.support import embedded
from tests.support.data_directories import linked
from tests.support.embedded import sweep_killed_runs, temporary_data_dir
from tests.support.eventually import eventually

#: A run of the tests that has a server and is killed before it can tidy up.
KILLED = """
import time
from deploy.local.servers.valkey import EmbeddedValkey
from tests.support.embedded import temporary_data_dir
with temporary_data_dir() as data_dir:
    server = EmbeddedValkey(data_dir)
    server.start()
    print(data_dir, server.places.servers, server.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root would keep data directories."""
    place = tmp_path / "root"
    place.mkdir()
    monkeypatch.setattr(places, "ROOT_PLACES", (place,))
    return place


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """A directory marked by a run of the tests that has ended."""
    program = "from deploy.local.data_dirs import marks; from pathlib import Path; {}"
    marking = f"marks.put(Path({str(tmp_path)!r}), 'tests')"
    subprocess.run([sys.executable, "-c", program.format(marking)], check=True)
    return tmp_path


@pytest.mark.stack
def test_what_a_killed_run_left_goes_at_the_start_of_the_next_and_a_living_runs_stays() -> None:
    with a_run() as living, a_run() as killed:
        os.kill(killed.pid, signal.SIGKILL)
        wait_gone(killed.pid)
        wait_gone(killed.server)

        removed = sweep_killed_runs()

        assert killed.data_dir.parent in removed
        assert not killed.data_dir.parent.exists()
        assert not killed.servers.exists()
        assert living.data_dir.exists() and living.servers.exists()
        assert processes.look(living.server)


@pytest.mark.stack
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's data lie in DATA_DIR")
def test_data_whose_data_dir_went_before_it_is_found_by_its_own_mark() -> None:
    with a_run() as killed:
        os.kill(killed.pid, signal.SIGKILL)
        wait_gone(killed.pid)
        wait_gone(killed.server)
        shutil.rmtree(killed.data_dir.parent)  # as a machine does with /tmp

        assert killed.servers in sweep_killed_runs()


def test_what_still_runs_of_a_killed_run_keeps_its_data_for_now(
    dead: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = linked(dead / "data", root / "servers-1")
    marks.hand_on(dead / "data", real)
    monkeypatch.setattr(leftovers, "_running_on", lambda path: "postgres runs on it")

    assert sweep("tests", when=set(Tie)) == []
    monkeypatch.undo()
    monkeypatch.setattr(places, "ROOT_PLACES", (root,))
    assert sweep("tests", when=set(Tie)) == [real]


def test_a_stack_that_outlives_its_run_keeps_its_data_while_it_stops(
    dead: Path, root: Path
) -> None:
    real = linked(dead / "data", root / "servers-1")
    marks.hand_on(dead / "data", real)
    (dead / "data/run").mkdir()
    with (dead / "data/run/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert sweep("tests", when=set(Tie)) == []
    assert sweep("tests", when=set(Tie)) == [real]


def test_what_carries_no_mark_is_never_swept(root: Path, tmp_path: Path) -> None:
    real = linked(tmp_path / "data", root / "servers-1")
    shutil.rmtree(tmp_path / "data")

    for kind in ("tests", "demo"):
        assert sweep(kind, when=set(Tie)) == []
    assert real.exists()


def test_a_mark_of_another_kind_of_another_container_or_unreadable_is_not_ours(
    dead: Path, root: Path
) -> None:
    written = json.loads((dead / marks.NAME).read_text())
    others = ({"kind": "demo"}, {"space": "pid:[1]"}, {"pid": None, "more": 1})
    for number, other in enumerate(others):
        real = linked(dead / f"data-{number}", root / f"servers-{number}")
        (real / marks.NAME).write_text(json.dumps(written | other))
    (linked(dead / "data-4", root / "servers-4") / marks.NAME).write_text("{")

    assert sweep("tests", when=set(Tie)) == []


def test_a_pid_that_another_process_has_now_is_over(tmp_path: Path) -> None:
    marks.put(tmp_path, "tests")
    written = json.loads((tmp_path / marks.NAME).read_text())
    living = marks.read(tmp_path)
    (tmp_path / marks.NAME).write_text(json.dumps(written | {"born": "another boot/1"}))
    reused = marks.read(tmp_path)

    assert living is not None and not living.over()
    assert reused is not None and reused.over()


def test_the_demo_sweeps_its_data_when_its_data_dir_is_deleted_and_not_before(
    dead: Path, root: Path
) -> None:
    written = json.loads((dead / marks.NAME).read_text()) | {"kind": "demo"}
    for name in ("deleted", "renamed", "there"):
        real = linked(dead / name, root / f"servers-{name}")
        (real / marks.NAME).write_text(json.dumps(written))
    unsure = root / "servers-unsure"
    unsure.mkdir()
    (unsure / marks.NAME).write_text(json.dumps(written))
    shutil.rmtree(dead / "deleted")
    (dead / "renamed").rename(dead / "renamed to this")

    assert sweep("demo", when={Tie.GONE}) == [root / "servers-deleted"]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's data lie in DATA_DIR")
def test_what_is_made_for_a_purpose_is_marked_and_what_is_not_is_not() -> None:
    with temporary_data_dir() as data_dir:
        of_tests = places.places(data_dir).servers
        (data_dir.parent / marks.NAME).unlink()
        of_demo = places.places(data_dir.parent / "demo", made_for="demo").servers
        of_people = places.places(data_dir.parent / "people").servers

        found = [marks.read(path) for path in (of_tests, of_demo, of_people)]
        for name in ("demo", "people"):
            places.discard(data_dir.parent / name)

    assert [mark and mark.kind for mark in found] == ["tests", "demo", None]


def test_a_run_that_leaves_something_is_told(tmp_path: Path, root: Path) -> None:
    before = embedded.left_by_this_run(tmp_path)
    unmarked = linked(tmp_path / "data", root / "servers-1")
    marked = linked(tmp_path.parent / f"{tmp_path.name}-other", root / "servers-2")
    marks.put(marked, "tests")

    assert set(embedded.left_by_this_run(tmp_path)) - set(before) == {unmarked, marked}
    assert ties.owner(unmarked) == tmp_path / "data"


class Run:
    """A run of the tests in a process of its own, and what it made."""

    def __init__(self, pid: int, line: str) -> None:
        data_dir, servers, server = line.split()
        self.pid = pid
        self.data_dir, self.servers, self.server = Path(data_dir), Path(servers), int(server)


@contextmanager
def a_run() -> Iterator[Run]:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        run = Run(process.pid, process.stdout.readline())
        try:
            yield run
        finally:
            process.kill()
            process.wait()
            wait_gone(run.server)
            places.discard(run.data_dir)
            shutil.rmtree(run.data_dir.parent, ignore_errors=True)


def wait_gone(pid: int) -> None:
    """The kernel ends a server with the one who started it."""
    eventually(lambda: not processes.look(pid), seconds=60)
