"""One log file per program, of bounded size."""

import shutil
from pathlib import Path

from deploy.local.data_dirs.data_dir import Places

LARGEST_BYTES = 16 * 1024 * 1024


def path(places: Places, name: str) -> Path:
    """Where the program's output goes."""
    return places.logs / f"{name}.log"


def bound(places: Places) -> None:
    """Keep the last full log beside as `.1` and empty the file.

    Its writers append, so they carry on at the new beginning; the few lines they may write between
    the two steps are lost.
    """
    for log in places.logs.glob("*.log"):
        if log.stat().st_size > LARGEST_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate(0)
