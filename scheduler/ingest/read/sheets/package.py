"""A zipped workbook's parts, opened with limits: nothing in the file decides how much is read."""

import zipfile
import zlib
from typing import IO, BinaryIO, Final

from scheduler.ingest import resource_limits
from shared.errors import Refused

#: Unpacked, all parts together. A sheet of a million rows and ten columns has about 600 MB.
MOST_BYTES: Final = 2 * 1024**3
#: How many times larger than packed. A workbook's rows pack to about a tenth, seldom a thirtieth.
MOST_RATIO: Final = 100
#: Where ratios begin to count: what is smaller is harmless.
_SMALL: Final = 32 * 1024**2
#: The list of parts, which is read at once.
_MOST_LISTED: Final = 1024**2

_NO_WORKBOOK: Final = "The file is not a workbook that can be read. Save it as XLSX or CSV."
_CUT_SHORT: Final = "The workbook is cut short or damaged. Save it again and upload that."
_LOCKED: Final = "The workbook is protected by a password. Save it without one."


def no_workbook(message: str = _NO_WORKBOOK) -> Refused:
    """What is no workbook, or none that can be read."""
    return Refused("not_a_csv", message)


def locked() -> Refused:
    """What only a password opens."""
    return no_workbook(_LOCKED)


class Package:
    """The parts of a zip file, by name without regard to case. Raises Refused not_a_csv."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0, 2)
        size = file.tell()
        try:
            self._archive = zipfile.ZipFile(_Bounded(file))
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise no_workbook(_CUT_SHORT) from error
        members = self._archive.infolist()
        _refuse_bombs(members, size)
        self._members = {member.filename.lstrip("/").lower(): member for member in members}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._members

    def open(self, name: str) -> IO[bytes]:
        """The part's bytes as a stream; raises Refused where there is none of this name."""
        member = self._members.get(name.lower())
        if member is None:
            raise no_workbook(f"The workbook lacks a part of itself, {name}. Save it again.")
        if member.flag_bits & 1:
            raise locked()
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise no_workbook()
        try:
            return self._archive.open(member)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise no_workbook(_CUT_SHORT) from error


def read(stream: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes of a part. Raises Refused not_a_csv where it is damaged."""
    try:
        piece = stream.read(size)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise no_workbook(_CUT_SHORT) from error
    resource_limits.read(len(piece))
    return piece


def _refuse_bombs(members: list[zipfile.ZipInfo], size: int) -> None:
    """A part is never read beyond the size it names here."""
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_BYTES:
        raise no_workbook("The workbook unpacks to more than 2 GB. Save it as CSV.")
    swollen = unpacked > max(_SMALL, MOST_RATIO * size) or any(
        member.file_size > max(_SMALL, MOST_RATIO * member.compress_size) for member in members
    )
    if swollen:
        raise no_workbook(
            f"The workbook unpacks to more than {MOST_RATIO} times its size. Save it as CSV."
        )


class _Bounded:
    """The file, for zipfile: it reads the whole list of parts at once, however long that is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        """As the file's, of no more than the list of parts may have."""
        if size > _MOST_LISTED:
            raise no_workbook("The workbook has too many parts. Save it as CSV.")
        return self._file.read(_MOST_LISTED if size < 0 else size)
