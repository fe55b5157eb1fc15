"""The table of the stack's processes: written by the supervisor, read by `volley ps`."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from deploy.local.data_dirs.data_dir import readable_file
from deploy.local.system import processes

#: Whose own children are part of the stack too: imports and repair loops run beside the dispatcher.
WITH_CHILDREN = "scheduler"


class Row(TypedDict):
    """One process as `volley ps --json` shows it."""

    role: str
    pid: int
    up_seconds: float


@dataclass(frozen=True)
class StartedProcess:
    """One process the supervisor started, itself included."""

    role: str
    name: str
    pid: int
    born: str


def write(data_dir: Path, entries: Iterable[StartedProcess]) -> None:
    """Replace the table, at once and whole."""
    text = json.dumps([asdict(entry) for entry in entries], indent=1)
    readable_file(_path(data_dir), text + "\n", user=None)


def read(data_dir: Path) -> list[StartedProcess]:
    """What was written last, whether or not it still runs."""
    try:
        return [StartedProcess(**entry) for entry in json.loads(_path(data_dir).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def ps(data_dir: Path) -> list[Row]:
    """The stack's processes that run now; empty when the stack does not run.

    The truth is asked of the system: a table left by a killed supervisor shows nothing that died.
    """
    rows = []
    for entry in read(data_dir):
        found = processes.look(entry.pid)
        if found is not None and found.born == entry.born:
            rows.append((entry.role, found))
            if entry.role == WITH_CHILDREN:
                rows += [(entry.role, child) for child in processes.children(entry.pid)]
    return [
        Row(role=role, pid=process.pid, up_seconds=round(process.up_seconds, 1))
        for role, process in rows
    ]


def names(data_dir: Path) -> dict[int, str]:
    """The programs' names by pid, as their log files are called."""
    return {entry.pid: entry.name for entry in read(data_dir)}


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "ps.json"
