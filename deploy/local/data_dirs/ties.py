"""How a DATA_DIR and the data directory its link leads to know each other: by a random id.

Not by path: a DATA_DIR that was renamed, whose disk is not mounted, or that lies in another
container is not gone. Where both lie on one filesystem the id is one file with two names, and the
kernel counts the names: as long as there are two, the DATA_DIR is somewhere, wherever it was moved
to. Elsewhere each has its own copy, and whether the DATA_DIR is gone cannot be seen from here.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

#: In both directories.
NAME = "servers_id"
#: In the data directory: where the DATA_DIR was when it was last used. A hint, and for people.
OWNER = "belongs-to"
LINK = "servers"


class Tie(StrEnum):
    """What is known of the DATA_DIR that a data directory belongs to."""

    HERE = "here"
    MOVED = "moved"
    GONE = "gone"
    UNSURE = "unsure"


@dataclass(frozen=True)
class _Id:
    """The id's file. `inode` is its own number if it has two names, else 0: a copy that a backup
    brings back shows by it that it is a copy.
    """

    id: str
    inode: int
    #: What the file has now.
    present_inode: int
    names: int


def tie(data_dir: Path, real: Path) -> None:
    """Let DATA_DIR and the data directory its link leads to name each other; cheap when they do."""
    mine, theirs = _read(real / NAME), _read(data_dir / NAME)
    if not (mine and theirs and _are_one(mine, theirs)):
        _name_each_other(data_dir, real, mine)
    if owner(real) != data_dir:
        _write(real / OWNER, f"{data_dir}\n")


def look(real: Path, *, known: Iterable[Path] = ()) -> Tie:
    """What became of the DATA_DIR of this data directory. `known` are DATA_DIRs to ask as well."""
    found = _read(real / NAME)
    last = owner(real)
    if any(_names(data_dir, real, found) for data_dir in (*known, *([last] if last else []))):
        return Tie.HERE
    if found is None:
        return Tie.UNSURE
    if found.names > 1:
        return Tie.MOVED
    return Tie.GONE if found.inode == found.present_inode else Tie.UNSURE


def owner(real: Path) -> Path | None:
    """Where the DATA_DIR was when it was last used; None if that is not written down."""
    try:
        return Path((real / OWNER).read_text().rstrip("\n"))
    except (OSError, ValueError):
        return None


def _name_each_other(data_dir: Path, real: Path, mine: _Id | None) -> None:
    """One file with two names, or with more if DATA_DIR was copied; copies between filesystems.

    The inode is written last: before that, nothing may be concluded from the count of names.
    """
    word = mine.id if mine else secrets.token_hex(16)
    if mine is None:
        _write(real / NAME, _text(word, inode=0))
    new = data_dir / f".{NAME}.{secrets.token_hex(8)}"
    try:
        new.hardlink_to(real / NAME)
    except OSError:
        _write(real / NAME, _text(word, inode=0))
        _write(data_dir / NAME, _text(word, inode=0))
        return
    new.replace(data_dir / NAME)
    new.unlink(missing_ok=True)  # rename(2) does nothing if both are names of one file already
    with (data_dir / NAME).open("r+") as file:
        file.write(_text(word, inode=os.fstat(file.fileno()).st_ino))
        file.truncate()


def _are_one(mine: _Id, theirs: _Id) -> bool:
    if mine.id != theirs.id:
        return False  # the link was led elsewhere by hand, and the link counts
    if mine.inode == 0:
        return theirs.inode == 0  # two filesystems
    return mine.inode == mine.present_inode == theirs.present_inode


def _names(data_dir: Path, real: Path, found: _Id | None) -> bool:
    """Whether this DATA_DIR leads to the data directory, by its link or by the id."""
    with contextlib.suppress(OSError):
        if (data_dir / LINK).is_symlink() and (data_dir / LINK).resolve() == real.resolve():
            return True
    theirs = _read(data_dir / NAME)
    return bool(found and theirs and found.id == theirs.id)


def _read(path: Path) -> _Id | None:
    try:
        with path.open() as file:
            written, state = json.loads(file.read()), os.fstat(file.fileno())
        return _Id(str(written["id"]), int(written["inode"]), state.st_ino, state.st_nlink)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _text(word: str, *, inode: int) -> str:
    return json.dumps({"id": word, "inode": inode}) + "\n"


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
