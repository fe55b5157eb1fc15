"""Rows inside a cell: a quotation mark that was typed by mistake, and the next one rows later.

To a CSV parser that is one good record, whose cell holds the rows between the two marks. Notes and
addresses of several lines are such cells too. What tells them apart is a line within the cell with
as many delimiters as the file's rows and a phone number where theirs is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from scheduler.ingest.check.row_errors import Unfit
from scheduler.ingest.read.delimited import BREAK, DELIMITERS, breaks_in
from scheduler.ingest.rejects import RejectCode


def refuse_swallowed(cells: Sequence[str], *, phone: int, width: int, line: int | None) -> None:
    """Raises Unfit open_quote if a cell holds rows of a file.

    `phone` is the phone column's index, `width` the number of columns, `line` the file's line on
    which the record begins; None for a workbook, which has rows only. The rows may have been
    divided by another delimiter than the file: a reject file always has commas.
    """
    found = {_holder(cells, delimiter, phone, width) for delimiter in DELIMITERS} - {None}
    at = min((index for index in found if index is not None), default=None)
    if at is None:
        return
    lines = breaks_in([cells[at]]) + 1
    if line is None:
        reason = f"The cell holds {lines} lines, and they are rows of a file with people in them."
        fix = "Give each of these people a row of their own, or empty the cell."
    else:
        opened = line + breaks_in(cells[:at])
        closed = opened + lines - 1
        reason = (
            f"A quotation mark opens the cell in line {opened} and the next one closes it in line "
            f"{closed}, so it holds {lines} lines of the file with people in them."
        )
        fix = f"Take the mark in line {opened} out, or close it there, and let each line be a row."
    raise Unfit(at, RejectCode.OPEN_QUOTE, reason, fix)


def may_hold_rows(cells: Sequence[str]) -> bool:
    """Whether a cell of several lines has as many digits together as a number; a quick look."""
    several = [cell for cell in cells if "\n" in cell or "\r" in cell]
    return _DIGITS.search("\0".join(several)) is not None


def in_one_line(cell: str) -> str:
    """A cell of several lines, to be shown."""
    return " ⏎ ".join(BREAK.split(cell))


def holds_numbers(cells: Sequence[str]) -> bool:
    """Whether a cell has a line, behind its first, that is divided and has a number in it."""
    lines = (part for cell in cells for part in BREAK.split(cell)[1:])
    divided = (_DIVIDER.split(line) for line in lines)
    return any(len(pieces) > 1 and any(map(is_number, pieces)) for pieces in divided)


def _holder(cells: Sequence[str], delimiter: str, phone: int, width: int) -> int | None:
    """The index of a cell that holds a row divided by `delimiter`."""
    for line in _lines(cells, delimiter):
        if len(line) >= width:
            piece, cell = line[phone]
            if cell is not None and (width == 1 or delimiter in cells[cell]) and is_number(piece):
                return cell
    return None


def _lines(cells: Sequence[str], delimiter: str) -> Iterator[list[tuple[str, int | None]]]:
    """The record's lines as rows would be divided: each piece, and the cell it is inside of.

    A cell within one line is one piece and inside of none.
    """
    line: list[tuple[str, int | None]] = []
    for index, cell in enumerate(cells):
        first, *others = BREAK.split(cell)
        if not others:
            line.append((cell, None))
            continue
        line += [(piece, index) for piece in first.split(delimiter)]
        for part in others:
            yield line
            line = [(piece, index) for piece in part.split(delimiter)]
    yield line


_DIVIDER: Final = re.compile(f"[{DELIMITERS}]")
_DIGITS: Final = re.compile(r"(?:[0-9][().\-/\s\xa0]*){7}")
_AROUND: Final = "'\" \t\xa0="
_NUMBER: Final = re.compile(r"\+?[\d().\-/\s\xa0]{7,30}", re.ASCII)
_DATE: Final = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}.*", re.ASCII)


def is_number(piece: str) -> bool:
    """Whether it may be a phone number, valid or not; a date is none."""
    bare = piece.strip(_AROUND)
    if not _NUMBER.fullmatch(bare):
        return False
    digits = sum(map(str.isdigit, bare))
    return digits > 8 or (digits > 6 and not _DATE.fullmatch(bare))
