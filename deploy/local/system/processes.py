"""Facts of the operating system about processes: start, parent, working directory, environment.

A pid alone proves nothing, since numbers are used again. `born` tells two processes of one number
apart: the boot and the clock tick of the start on Linux, the start time elsewhere.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LINUX = sys.platform.startswith("linux")
PROC = Path("/proc")
ZOMBIE_STATES = "ZX"


@dataclass(frozen=True)
class Process:
    """A process that runs now (a zombie does not)."""

    pid: int
    parent: int
    born: str
    up_seconds: float


def look(pid: int) -> Process | None:
    """The process of this number, if one runs."""
    if LINUX:
        return _from_proc(pid)
    return next(iter(_from_ps("-p", str(pid))), None)


def born(pid: int) -> str:
    """When this process started, as a word to compare; "" when it does not run."""
    found = look(pid)
    return found.born if found else ""


def running() -> Iterator[Process]:
    """Every process that runs."""
    if not LINUX:
        yield from _from_ps("-A")
        return
    for pid in _pids():
        found = _from_proc(pid)
        if found is not None:
            yield found


def children(pid: int) -> list[Process]:
    """The direct children of `pid`, but for multiprocessing's own book-keeper."""
    return [process for process in running() if process.parent == pid and not _keeps_books(process)]


def working_in(directory: Path, *, program: str) -> list[int]:
    """The pids of `program` whose working directory is `directory` (Linux; elsewhere none is seen).

    Servers overwrite their environment and their title, but not where they stand.
    """
    place = str(directory.resolve())
    return [pid for pid in _pids() if _stands_in(pid, place, program)]


def marked(mark: str) -> list[int]:
    """The pids, but for our own, whose environment carries `mark` ("NAME=value") (Linux)."""
    wanted = mark.encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environment(pid)]


def end(pids: Iterable[int], *, by: signal.Signals, within: float) -> None:
    """Send `by` to these processes, wait up to `within` seconds, then SIGKILL those that remain."""
    births = {pid: word for pid in pids if (word := born(pid))}
    _send(births, by)
    deadline = time.monotonic() + within
    while _remaining(births) and time.monotonic() < deadline:
        time.sleep(0.01)
    _send(_remaining(births), signal.SIGKILL)
    while _remaining(births) and time.monotonic() < deadline + 5:
        time.sleep(0.01)


def _remaining(births: dict[int, str]) -> dict[int, str]:
    return {pid: word for pid, word in births.items() if born(pid) == word}


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _pids() -> list[int]:
    if not LINUX:
        return []
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _from_proc(pid: int) -> Process | None:
    try:
        # The second field is the program's name in brackets and may hold spaces and brackets.
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in ZOMBIE_STATES:
        return None
    ticks = int(fields[19])
    up = float((PROC / "uptime").read_text().split()[0])
    age = max(0.0, up - ticks / os.sysconf("SC_CLK_TCK"))
    return Process(pid=pid, parent=int(fields[1]), born=f"{_boot()}/{ticks}", up_seconds=age)


@cache
def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stands_in(pid: int, place: str, program: str) -> bool:
    try:
        where = (PROC / str(pid) / "cwd").readlink()
        what = (PROC / str(pid) / "exe").readlink()
    except OSError:
        return False
    return str(where) == place and what.name.split(" ")[0] == program


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _keeps_books(process: Process) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in (PROC / f"{process.pid}/cmdline").read_bytes()
    except OSError:
        return False


def _from_ps(*which: str) -> list[Process]:
    """What ps(1) prints, where /proc is missing: pid, parent, state, age, start in five words."""
    answer = subprocess.run(
        ["ps", *which, "-o", "pid=,ppid=,stat=,etime=,lstart="],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = (line.split() for line in answer.stdout.splitlines())
    return [
        Process(int(row[0]), int(row[1]), born=" ".join(row[4:]), up_seconds=_elapsed(row[3]))
        for row in rows
        if row[2][0] not in ZOMBIE_STATES
    ]


def _elapsed(text: str) -> float:
    """Seconds of ps's [[days-]hours:]minutes:seconds."""
    days, _, rest = text.rpartition("-")
    seconds = 0.0
    for piece in rest.split(":"):
        seconds = seconds * 60 + float(piece)
    return seconds + 86_400 * float(days or 0)
