"""Data directories that nobody leads to: what is told of them, and what may not be removed."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.data_dirs import data_dir as places
from deploy.local.data_dirs import facts, leftovers, ties
from deploy.local.data_dirs.leftovers import busy, finish, remove
from deploy.local.data_dirs.ties import Tie
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import processes
from shared.errors import Refused
from tests.support.data_directories import let_rest, linked
from tests.support.embedded import temporary_data_dir

NOBODY = 65534


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root would keep data directories."""
    place = tmp_path / "root"
    place.mkdir()
    monkeypatch.setattr(places, "ROOT_PLACES", (place, tmp_path / "not there"))
    return place


@pytest.fixture
def left(root: Path, tmp_path: Path) -> Path:
    """A data directory whose DATA_DIR was deleted, unused for two days."""
    real = linked(tmp_path / "data", root / "servers-left")
    shutil.rmtree(tmp_path / "data")
    let_rest(real)
    return real


def test_one_whose_data_dir_is_there_is_no_leftover(root: Path, tmp_path: Path) -> None:
    linked(tmp_path / "one", root / "servers-1")
    linked(tmp_path / "two", root / "servers-2")
    shutil.rmtree(tmp_path / "two")

    assert [one.path.name for one in leftovers.leftovers()] == ["servers-2"]


def test_a_renamed_data_dir_leaves_nothing_over(root: Path, tmp_path: Path) -> None:
    linked(tmp_path / "one", root / "servers-1")

    (tmp_path / "one").rename(tmp_path / "other name")

    assert leftovers.leftovers() == []


def test_it_tells_where_it_is_how_large_and_when_it_was_used_last(
    left: Path, tmp_path: Path
) -> None:
    (left / "postgres").mkdir()
    (left / "postgres/rows").write_bytes(b"x" * 100_000)
    (left / facts.NAME).write_text('{"campaigns": 3, "at": 1790000000.0}\n')
    let_rest(left, days=3)

    (one,) = leftovers.leftovers()

    assert (one.path, one.tie, one.was) == (left, Tie.GONE, tmp_path / "data")
    assert one.counted == facts.Counted(3, 1790000000.0)
    assert 100_000 <= one.size < 200_000
    assert 2.9 < (time.time() - one.used) / 86_400 < 3.1
    assert one.removable


@pytest.mark.parametrize("days", [0.9, -1, 0])
def test_the_newest_file_says_when_it_was_used_and_a_day_must_have_passed(
    left: Path, days: float
) -> None:
    deep = left / "postgres/pg_wal"
    deep.mkdir(parents=True)
    (deep / "newest").write_text("x")
    let_rest(left)
    then = time.time() - days * 86_400
    os.utime(deep / "newest", (then, then))

    (one,) = leftovers.leftovers()

    assert not one.rested
    assert not one.removable


@pytest.mark.parametrize("name", ["postgres.lock", "valkey.lock"])
def test_one_whose_lock_is_held_is_never_removed(left: Path, name: str) -> None:
    with (left / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        let_rest(left)

        (one,) = leftovers.leftovers()

        assert "its lock is held" in one.busy
        assert not one.removable
        with pytest.raises(Refused, match="its lock is held"):
            remove(left)
        assert left.exists()
    remove(left)
    assert not left.exists()


def test_the_lock_of_its_data_dir_counts_too(root: Path, tmp_path: Path) -> None:
    real = linked(tmp_path / "data", root / "servers-1")
    (tmp_path / "data/run").mkdir()
    with (tmp_path / "data/run/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert "its lock is held" in busy(real)
    assert busy(real) == ""


@pytest.mark.stack
@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_one_on_which_a_server_runs_is_never_removed_although_nobody_holds_its_lock(
    kind: type[EmbeddedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the server's programs are where they always are
    with running(kind) as server:
        real = server.places.servers
        server.release()  # as the kernel does when the starter is killed
        let_rest(real)

        assert f"pid {server.pid}" in busy(real)
        with pytest.raises(Refused, match="runs on it"):
            remove(real)
        assert server.ready()
        server.stop()
        assert busy(real) == ""


@pytest.mark.stack
def test_a_postgres_of_another_container_is_seen_by_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(processes, "working_in", lambda *_, **__: [])  # other pids are not ours
    with running(EmbeddedPostgres) as server:
        server.release()

        assert "answers on its socket" in busy(server.places.servers)
        with pytest.raises(Refused, match="socket"):
            remove(server.places.servers)
        assert server.ready()


def test_what_is_removed_is_removed_whole(left: Path, root: Path) -> None:
    (left / "postgres").mkdir()
    (left / "postgres/rows").write_text("x")

    remove(left)

    assert list(root.iterdir()) == []


def test_a_removal_that_was_interrupted_is_ended_and_is_no_data_meanwhile(
    left: Path, root: Path
) -> None:
    left.rename(root / f"{leftovers.REMOVING_PREFIX}servers-left")

    assert leftovers.leftovers() == []
    assert [path.name for path in finish()] == [".removing-servers-left"]
    assert list(root.iterdir()) == []


def test_half_a_copy_of_the_programs_is_removed_only_when_nobody_can_be_making_it(
    root: Path,
) -> None:
    old, new = root / ".copy-old", root / ".copy-new"
    for copy in (old, new):
        copy.mkdir()
        (copy / "postgres").write_text("x")
    let_rest(old)

    assert finish() == [old]
    assert list(root.iterdir()) == [new]


def test_what_is_not_a_data_directory_is_left_alone(left: Path, root: Path, tmp_path: Path) -> None:
    (root / "programs-postgres").mkdir()
    (root / "servers-file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (root / "servers-link").symlink_to(tmp_path / "elsewhere")

    assert [one.path for one in leftovers.leftovers()] == [left]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' directories to see")
def test_an_ordinary_user_has_no_leftovers_and_touches_nobody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with temporary_data_dir() as data_dir:
        data_dir.parent.chmod(0o755)
        root = data_dir.with_name("root")
        left = linked(data_dir, root / "servers-left")
        condemned = root / f"{leftovers.REMOVING_PREFIX}servers-2"
        condemned.mkdir()
        shutil.rmtree(data_dir)
        monkeypatch.setattr(places, "ROOT_PLACES", (root,))

        os.seteuid(NOBODY)
        try:
            seen = sorted(root.iterdir())
            found, ended = leftovers.leftovers(), finish()
        finally:
            os.seteuid(0)

        assert seen == [condemned, left]
        assert (found, ended) == ([], [])
        assert [one.path for one in leftovers.leftovers()] == [left]


@pytest.mark.skipif(os.geteuid() != 0, reason="the ordinary user's turn is above")
def test_root_does_not_count_what_another_user_put_there(left: Path) -> None:
    os.chown(left, NOBODY, NOBODY)

    assert leftovers.leftovers() == []


def test_one_that_cannot_be_judged_is_told_apart(root: Path, tmp_path: Path) -> None:
    old = root / "servers-old"
    old.mkdir()
    (old / ties.OWNER).write_text(f"{tmp_path}/gone\n")
    let_rest(old)

    (one,) = leftovers.leftovers()

    assert one.tie is Tie.UNSURE
    assert one.was == tmp_path / "gone"


@contextmanager
def running(kind: type[EmbeddedServer]) -> Iterator[EmbeddedServer]:
    with temporary_data_dir() as data_dir:
        server = kind(data_dir)
        server.start()
        try:
            yield server
        finally:
            server.stop()
