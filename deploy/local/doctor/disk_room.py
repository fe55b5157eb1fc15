"""The directories that a stack writes to: are they there, ours, and is there room?"""

import os
from pathlib import Path

from deploy.local.data_dirs.data_dir import Places
from deploy.local.data_dirs.ties import LINK
from deploy.local.doctor.finding import Finding, Verdict, fail, ok, warn
from shared.errors import Refused
from shared.settings import Settings

MB = 1_000_000
#: An empty database takes 40 MB, and Postgres writes its log in files of 16.
LEAST_ROOM = 64 * MB
SETTING = "VOLLEY_DATA_DIR"


def data_dir(chosen: Settings) -> Finding:
    """Check the data directory without making it."""
    path = chosen.data_dir.absolute()
    try:
        found = _directory(path)
        return found if found.verdict is Verdict.FAIL else _full(path) or found
    except OSError as error:
        return fail("data dir", f"{path}: {error.strerror}", fix=f"set {SETTING} to another")


def require_room(places: Places) -> None:
    """Raises Refused, naming the directory, if a stack would have no room to write."""
    found = _full(places.data_dir)
    if found is not None:
        raise Refused("no_room", found.sentence())


def _directory(path: Path) -> Finding:
    if not path.exists():
        parent = _above(path)
        if not parent.is_dir():
            return fail("data dir", f"{parent} is no directory", fix=f"set {SETTING} to one")
        if os.access(parent, os.W_OK | os.X_OK):
            return ok("data dir", f"{path}, made at the first start")
        return fail(
            "data dir", f"{path} cannot be made", fix=f"set {SETTING} to a directory of ours"
        )
    if not path.is_dir():
        return fail("data dir", f"{path} is no directory", fix=f"set {SETTING} to one")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return fail(
            "data dir",
            f"{path} is not ours to write, or its disk is read-only",
            fix=f"run as its owner, or set {SETTING}",
        )
    if path.stat().st_mode & 0o077:
        return warn("data dir", f"{path} is open to others", fix=f"chmod 700 {path}")
    return ok("data dir", str(path))


def _full(path: Path) -> Finding | None:
    """A finding if there is no room where it lies, or where its `servers`, maybe a link, lead."""
    for place in (path, path / LINK):
        where = _above(place.resolve())
        disk = os.statvfs(where)
        # Some of a disk is kept for root.
        free = disk.f_frsize * (disk.f_bfree if os.geteuid() == 0 else disk.f_bavail)
        if free < LEAST_ROOM or (disk.f_files > 0 and disk.f_ffree == 0):
            return fail(
                "data dir",
                f"{where} has no room: {free // MB} MB are free, {LEAST_ROOM // MB} are needed",
                fix=f"make room there, or set {SETTING} to a directory on another disk",
            )
    return None


def _above(path: Path) -> Path:
    """The path itself, or the nearest above it that is there."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))
