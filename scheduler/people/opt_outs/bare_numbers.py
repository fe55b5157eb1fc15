"""A file that is nothing but numbers, one a line and no header."""

import codecs
import csv
from typing import BinaryIO, Final

from scheduler.ingest import Reading
from shared.domain.phone import PhoneError, normalise
from shared.errors import Refused

_LINE: Final = 500  # bytes of a first line that may be a number


def numbers(file: BinaryIO, *, region: str, reading: Reading) -> list[tuple[int, str]] | None:
    """Each line's number under the line's, or None for a file whose first cell is none.

    Raises Refused which_phone_column when there are several numbers in the first line.
    """
    file.seek(0)
    start = file.readline(_LINE)
    codec = _codec(start, reading.encoding)
    if codec is None:
        return None
    if codec.startswith("utf-16"):
        file.seek(0)
        start = file.read(_LINE)
    first = start.decode(codec, "replace").lstrip("\ufeff").splitlines()[:1]
    delimiter = reading.delimiter or next((d for d in "\t;|" if d in "".join(first)), ",")
    cells = next(csv.reader(first, delimiter=delimiter), [])
    found = [cell for cell in cells if _is_number(cell, region)]
    file.seek(0)
    if not cells or cells[0] not in found:
        return None
    if len(found) > 1:
        raise Refused(
            "which_phone_column",
            "The file has no header, and several numbers in a line. Put a line with the columns' "
            "names above it, and say which are to be suppressed: --phone-column NAME.",
        )
    lines = file.read().decode(codec, "replace").lstrip("\ufeff").splitlines()
    return [
        (row, cells[0])
        for row, cells in enumerate(csv.reader(lines, delimiter=delimiter), 1)
        if cells and cells[0].strip()
    ]


def _codec(start: bytes, encoding: str | None) -> str | None:
    """How to read it; None for a workbook, which begins otherwise."""
    if start.startswith(b"PK"):
        return None
    if encoding is None:
        wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return "utf-16" if wide else "utf-8-sig"
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return None  # refused where all encodings are


def _is_number(cell: str, region: str) -> bool:
    try:
        normalise(cell, region)
    except PhoneError:
        return False
    return True
