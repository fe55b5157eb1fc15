"""Rows that were not accepted, and the file they go back in: to be mended and uploaded again."""

import csv
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TextIO

from scheduler.ingest.read.columns import ORIGIN_COLUMN, OWN_COLUMNS


class RejectCode(StrEnum):
    """Why a row was not accepted."""

    MISSING_PHONE = "missing_phone"
    INVALID_PHONE = "invalid_phone"
    AMBIGUOUS_PHONE = "ambiguous_phone"
    PREMIUM_NUMBER = "premium_number"
    DUPLICATE = "duplicate"
    MISSING_VALUE = "missing_value"
    TOO_LONG = "too_long"
    TOO_MANY_COLUMNS = "too_many_columns"
    TOO_FEW_COLUMNS = "too_few_columns"
    OPEN_QUOTE = "open_quote"
    BAD_ENCODING = "bad_encoding"
    CONTROL_CHARACTER = "control_character"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no_consent"
    LEFT_OUT = "left_out"


class Reject(NamedTuple):
    """One row that was not accepted: where, what, why, and what to do. `cells` are as in the file.

    `column` and `value` are empty where the whole row is at fault.
    """

    row: int
    column: str
    value: str
    code: str
    reason: str
    fix: str
    cells: list[str]


class Returned(list[str]):
    """The cells of a row that a reject file brings back as a duplicate.

    `value` is its number as it was then. The row it repeated was accepted and is in another file.
    """

    value: str = ""


def write_rejects(
    out: TextIO, header: Sequence[str], rejects: Iterable[Reject], *, origin: str = ""
) -> None:
    """The rejected rows as CSV: their own columns, then why (`columns.OWN_COLUMNS`).

    `origin` is the SHA-256 of the file they are from, in hexadecimal digits: by it the mended rows
    are held against the numbers that file's campaign has already.

    Safe to open in a spreadsheet, and read back without loss. `out` must be opened with
    newline="", best as utf-8-sig for Excel. Cells beyond the header follow at the end, where they
    are seen and come back.
    """
    writer = csv.writer(out)
    whence = [origin] if origin else []
    writer.writerow([*map(guarded, header), *OWN_COLUMNS, *([ORIGIN_COLUMN] if origin else [])])
    for reject in rejects:
        width = len(header)
        own = reject.cells[:width] + [""] * (width - len(reject.cells))
        where = [str(reject.row), reject.column, reject.value]
        why = [reject.code, reject.reason, reject.fix]
        beyond = reject.cells[width:] if any(reject.cells[width:]) else []
        cells = [*own, *where, *why, *whence, *beyond]
        writer.writerow([guarded(_SURROGATE.sub("\ufffd", cell)) for cell in cells])


_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # an undecodable byte

# OWASP, "CSV injection": what a spreadsheet takes for a formula, behind quotes and behind all
# that shows as nothing too, which some programs drop.
_NOTHING: Final = (
    r"\s\"'\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000e0000-\U000e0fff"
)
_FORMULA: Final = rf"[{_NOTHING}]*[=+\-@\t\r＝＋－＠﹦﹢﹣﹫]"
_PLAINLY_FORMULA: Final = frozenset("=+-@")
_DANGEROUS: Final = re.compile(_FORMULA)
_GUARDED: Final = re.compile(f"'(?={_FORMULA})")


def guarded(cell: str) -> str:
    """`cell` behind an apostrophe if a spreadsheet might run it."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def unguarded(cell: str) -> str:
    """`cell` without that apostrophe. `unguarded(guarded(cell))` is `cell`, whatever it holds."""
    return cell[1:] if _GUARDED.match(cell) else cell


def all_unguarded(column: Sequence[str]) -> list[str]:
    """`unguarded`, for every cell."""
    return [
        cell if cell[:1] != "'" else cell[1:] if cell[1:2] in _PLAINLY_FORMULA else unguarded(cell)
        for cell in column
    ]
