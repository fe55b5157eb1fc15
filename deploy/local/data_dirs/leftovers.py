"""Find and remove root's data directories that no DATA_DIR leads to any more.

Only root's are outside their DATA_DIR (data_dir.py). A removal is final. So it locks the servers'
files and renames the directory first: a half-removed one never counts as data.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.data_dirs import data_dir as places
from deploy.local.data_dirs import facts, ties
from deploy.local.data_dirs.ties import Tie
from deploy.local.servers.binaries import COPY_PREFIX
from deploy.local.servers.postgres import SOCKET_NAME
from deploy.local.system import processes
from shared import clock
from shared.errors import Refused

#: Used less long ago than this, a directory is never removed, whatever is known of its DATA_DIR.
A_DAY = 86_400.0
REMOVING_PREFIX = ".removing-"
LOCKS = ("postgres.lock", "valkey.lock")
PROGRAMS = (
    ("postgres", "postgres"),
    ("valkey", "valkey-server"),
    ("valkey", "redis-server"),
)


@dataclass(frozen=True)
class Leftover:
    """A data directory that no DATA_DIR known here leads to."""

    path: Path
    tie: Tie
    #: Where its DATA_DIR was when it was last used, if that is known.
    was: Path | None
    #: None if nobody has counted.
    counted: facts.Counted | None
    #: On the disk.
    size: int
    #: When anything in it was written last (unix seconds).
    used: float
    #: The present user, as the end of a sentence; "" without one.
    busy: str

    @property
    def rested(self) -> bool:
        """Whether it has been left alone for a day."""
        return clock.unix() - self.used >= A_DAY

    @property
    def removable(self) -> bool:
        """Whether it may be removed, if a person wants it."""
        return self.rested and not self.busy


def leftovers(known: Iterable[Path] = ()) -> list[Leftover]:
    """Those of ours, the oldest first. `known` are DATA_DIRs that may lead to one."""
    asked = [data_dir.absolute() for data_dir in known]
    ties_of = {path: ties.look(path, known=asked) for path in data_directories()}
    left = [_examine(path, tie) for path, tie in ties_of.items() if tie in {Tie.GONE, Tie.UNSURE}]
    return sorted(left, key=lambda one: one.used)


def data_directories() -> list[Path]:
    """Every data directory of this user's outside a DATA_DIR. An ordinary user has none."""
    return _ours(places.DATA_PREFIX)


def finish() -> list[Path]:
    """Remove half-removed and half-copied directories; returns them.

    No data: a removal begins when a person has agreed, and a copy is one of the servers' programs.
    """
    begun = [path for path in _ours(REMOVING_PREFIX) if not busy(path)]
    copies = [path for path in _ours(COPY_PREFIX) if clock.unix() - _measure(path)[1] > A_DAY]
    for path in begun + copies:
        shutil.rmtree(path)
    return begun + copies


def remove(path: Path) -> None:
    """Remove a data directory for good. Raises Refused if a server runs on it or its lock is held.

    Whether it may be removed is for the caller to know.
    """
    with _all_locks(path):
        if running := _running_on(path):
            raise Refused("data_in_use", f"{path} stays: {running}.")
        condemned = path.with_name(REMOVING_PREFIX + path.name)
        path.rename(condemned)
        shutil.rmtree(condemned)


def busy(path: Path) -> str:
    """The present user of a data directory, as in "its lock is held"; "" without one."""
    locks = [path / name for name in LOCKS]
    if data_dir := ties.owner(path):
        locks.append(data_dir / "run" / "lock")
    held = [lock for lock in locks if is_held(lock)]
    return f"its lock is held ({held[0]})" if held else _running_on(path)


def is_held(lock: Path) -> bool:
    """Whether somebody holds this lock file now."""
    with contextlib.suppress(OSError), lock.open() as file:
        return not _take(file.fileno(), fcntl.LOCK_SH)
    return False


def _ours(prefix: str) -> list[Path]:
    """Directories of this user's in root's places whose names begin so."""
    return [
        path
        for place in places.ROOT_PLACES
        if _is_ours(place)
        for path in sorted(place.glob(f"{prefix}*"))
        if _is_ours(path)
    ]


def _is_ours(path: Path) -> bool:
    """Whether it is a directory, no link, and belongs to this user; False if it cannot be seen."""
    with contextlib.suppress(OSError):
        state = path.lstat()
        return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
    return False


def _examine(path: Path, tie: Tie) -> Leftover:
    size, used = _measure(path)
    return Leftover(
        path=path,
        tie=tie,
        was=ties.owner(path),
        counted=facts.read(path),
        size=size,
        used=used,
        busy=busy(path),
    )


def _measure(path: Path) -> tuple[int, float]:
    """Bytes on the disk, and when the newest of it was written."""
    size, newest = 0, path.lstat().st_mtime
    for place, directories, files in os.walk(path):
        for name in (*directories, *files):
            with contextlib.suppress(FileNotFoundError):  # a server tidies up meanwhile
                state = (Path(place) / name).lstat()
                size += state.st_blocks * 512
                newest = max(newest, state.st_mtime)
    return size, newest


def _running_on(path: Path) -> str:
    """A server that runs without the lock: from a killed run, or in another container."""
    for directory, program in PROGRAMS:
        if pids := processes.working_in(path / directory, program=program):
            return f"{program} runs on it, pid {pids[0]}"
    with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(OSError):
        asked.connect(str(path / "sock" / SOCKET_NAME))
        return "postgres answers on its socket"
    return ""


@contextlib.contextmanager
def _all_locks(path: Path) -> Iterator[None]:
    """Hold the locks of all its servers. Raises Refused if one is held."""
    with contextlib.ExitStack() as held:
        for name in LOCKS:
            number = os.open(path / name, os.O_WRONLY | os.O_CREAT, 0o600)
            lock = held.enter_context(os.fdopen(number, "w"))
            if not _take(lock.fileno(), fcntl.LOCK_EX):
                raise Refused("data_in_use", f"{path} stays: its lock is held ({name}).")
        yield


def _take(number: int, how: int) -> bool:
    try:
        fcntl.flock(number, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
