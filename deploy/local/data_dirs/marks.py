"""The mark of what is made to be thrown away, and of the run that made it.

A run that is killed cannot tidy up. The next one may, because the mark says who made a directory
and whether that process still lives. What carries no mark is never touched.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.system import processes

NAME = "throwaway"


@dataclass(frozen=True)
class Mark:
    """Who made a directory, and for what: "tests" or "demo"."""

    kind: str
    pid: int
    born: str
    #: The pid namespace, without which a pid says nothing: the process may be in another container.
    space: str

    def over(self) -> bool:
        """Whether the run that made it has certainly ended."""
        return self.space == _space() and processes.born(self.pid) != self.born


def put(directory: Path, kind: str) -> None:
    """Mark a directory as made by this process, to be thrown away."""
    made = Mark(kind, os.getpid(), processes.born(os.getpid()), _space())
    new = directory / f".{NAME}.{os.getpid()}"
    new.write_text(json.dumps(asdict(made)) + "\n")
    new.replace(directory / NAME)


def read(directory: Path) -> Mark | None:
    """The mark of a directory, if it has one that can be read."""
    try:
        return Mark(**json.loads((directory / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def hand_on(data_dir: Path, to: Path) -> None:
    """Give the mark of a DATA_DIR, or of the directory made for it, to its data directory."""
    for directory in (data_dir, data_dir.parent):
        if read(directory) is not None:
            (to / NAME).write_bytes((directory / NAME).read_bytes())
            return


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
