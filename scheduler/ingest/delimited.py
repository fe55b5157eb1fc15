"""Delimited text to records: which delimiter, and where each record begins and ends.

A quotation mark that is never closed would swallow the rows after it. So a record that does not
parse strictly is taken back, its first line judged alone, and reading goes on with the next line.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

DELIMITERS: Final = ",;\t|"


class Damaged(list[str]):
    """The cells of a line whose end cannot be told."""

    reason = "A quotation mark opens a cell and is never closed."
    fix = "Close the quotation mark, or write a mark inside a cell twice."


def split_records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Every record's cells, blank ones included as []; a Damaged where a quote stays open."""
    again = _Lines(lines)
    while True:
        try:
            for cells in csv.reader(again, delimiter=delimiter, strict=True):
                again.taken.clear()
                yield cells
            return
        except csv.Error:
            yield _alone(again.give_back(), delimiter)


def is_blank(cells: list[str]) -> bool:
    """True for an empty line, and for the rows of bare delimiters spreadsheets leave behind.

    Blanks between the delimiters count for nothing, nor do marks around the whole line.
    """
    if len(cells) == 1:
        return not cells[0].strip(_NOTHING)
    return not any(map(str.strip, cells))


_NOTHING: Final = f" \t\r\n\xa0\x1a\ufeff{DELIMITERS}"


_SEP: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n?', re.I)


def declared_delimiter(first_line: str) -> str | None:
    """The delimiter of a `sep=;` line, which Excel writes and hides."""
    match = _SEP.fullmatch(first_line)
    return match[1] if match else None


def likely_delimiter(lines: list[str], expected: Callable[[str], bool]) -> str:
    """The one of `, ; tab |` that divides the header and most records alike; a comma if none does.

    One that lays bare a column with an `expected` name wins over one that does not. csv.Sniffer
    is not used: on a single column of numbers it answers "+".
    """
    best, best_score = ",", (False, 0.0, 1)
    for delimiter in DELIMITERS:
        records = [r for r in islice(split_records(lines, delimiter), 100) if not is_blank(r)]
        if not records or len(records[0]) < 2:
            continue
        header, width = records[0], len(records[0])
        alike = sum(len(record) == width for record in records) / len(records)
        score = (any(map(expected, header)), alike, width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


_MOST_LINES: Final = 1000  # in one record; a longer one is a quote that was never closed


class _Lines:
    """Lines for csv.reader, remembered until their record is whole, so they can be read again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while self._again and len(self.taken) < _MOST_LINES:
            self.taken.append(self._again.popleft())
            yield self.taken[-1]
        if len(self.taken) >= _MOST_LINES:
            return
        taken = self.taken
        for line in self._lines:
            taken.append(line)
            yield line
            if len(taken) >= _MOST_LINES:
                return

    def give_back(self) -> str:
        """Return all but the first line of the record, and that line."""
        first, *rest = self.taken
        self._again.extendleft(reversed(rest))
        self.taken.clear()
        return first


def _alone(line: str, delimiter: str) -> list[str]:
    """The cells of one line, forgiving marks in odd places; Damaged if a cell is still open."""
    whole = line.rstrip("\r\n")
    try:
        first, *closed = list(csv.reader([whole + "\n", "\n"], delimiter=delimiter))
    except csv.Error:  # one cell of more than csv.field_size_limit characters
        return Damaged([whole])
    return first if closed else Damaged(cell.rstrip("\n") for cell in first)
