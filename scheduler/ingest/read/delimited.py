"""Delimited text to records: where each of them, and each of its cells, begins and ends.

A quotation mark that is never closed would swallow the rows after it. So a record that does not
parse strictly is taken back, its first line judged alone, and reading goes on with the next line.
What such a record met is remembered (`ahead`): whatever marks a file has, each of its characters
is read by the parser four times at the most, and looked at by other means as often.

Files are read a block at a time. One without quotation marks whose lines all have as many cells
needs no parser: it is cut at the delimiters, column by column.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TextIO

from scheduler.ingest.read.ahead import Ahead, Fate
from shared.errors import Refused

DELIMITERS: Final = ",;\t|"
BREAK: Final = re.compile(r"\r\n|[\r\n]")


class Damaged(list[str]):
    """The cells of a line whose end cannot be told."""

    reason = "A quotation mark opens a cell and is never closed."
    fix = "Close the quotation mark, or write a mark inside a cell twice."


class Plain(list[list[str]]):
    """Records that take one line each."""


#: A block of a file: the columns of so many equal rows, or records one by one.
Columns = tuple[list[str], ...]
Block = Columns | list[list[str]]


class Splitter:
    """Reads one text from its start: a record at a time, or in blocks; in turns, if need be.

    Records are the cells of a row, [] for a blank one, a Damaged where a quote stays open.
    """

    def __init__(self, text: TextIO, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._lines = _Lines(lines_of(text), delimiter)

    def record(self) -> list[str] | None:
        """The next record; None at the end."""
        return next(self._lines.records(), None)

    def blocks(self, width: int) -> Iterator[Block]:
        """Everything else. Columns come `width` at a time: others are records."""
        while piece := self._piece():
            columns = _columns(piece, self._delimiter, width=width)
            yield columns or self._parsed(piece)

    def _piece(self) -> str:
        """Some whole lines of the text."""
        piece = self._lines.waiting() + self._text.read(_PIECE)
        return piece if piece.endswith("\n") else piece + _line(self._text)

    def _parsed(self, piece: str) -> list[list[str]]:
        """The piece's records. What its end cuts through, or marks spoil, is read line by line."""
        lines = list(io.StringIO(piece, newline=""))
        try:
            records = list(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error:
            records = []
        if len(lines) == len(records):
            return Plain(records)
        if records and len(lines) - len(records) < _MOST_LINES:
            return records
        return list(self._lines.through(lines))


def lines_of(text: TextIO) -> Iterator[str]:
    """The text's lines. Raises Refused not_a_csv for one that does not end."""
    while line := _line(text):
        yield line


def _line(text: TextIO) -> str:
    line = text.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
        raise Refused("not_a_csv", "A line is longer than a megabyte: this is not a CSV file.")
    return line


#: Characters of a line.
LONGEST_LINE: Final = 1 << 20


def split_records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Every record's cells, blank ones included as []; a Damaged where a quote stays open."""
    return _Lines(lines, delimiter).records()


_PIECE: Final = 100_000  # characters; less than csv.field_size_limit, so no cell is longer


def _columns(piece: str, delimiter: str, *, width: int) -> Columns | None:
    """The columns of lines that have `width` cells each and no marks; None if they are not so."""
    if '"' in piece or len(piece) > 131_072:
        return None
    if "\r" in piece:
        piece = piece.replace("\r\n", "\n")
        if "\r" in piece:
            return None
    text = "\n" + piece.removesuffix("\n")
    cells = text.replace("\n", f"{delimiter}\n").split(delimiter)
    # Every line break now begins a cell. All are in the first column, or some line is odd.
    first = cells[1::width]
    breaks = text.count("\n")
    if len(cells) - 1 != breaks * width or "".join(first).count("\n") != breaks:
        return None
    return [cell[1:] for cell in first], *(cells[n::width] for n in range(2, width + 1))


def breaks_in(cells: Sequence[str]) -> int:
    """How many lines a record takes beyond its first."""
    text = "\0".join(cells)
    returns = text.count("\r")
    return text.count("\n") + returns - (text.count("\r\n") if returns else 0)


def is_blank(cells: list[str]) -> bool:
    """True for an empty line, and for the rows of bare delimiters spreadsheets leave behind.

    Blanks between the delimiters count for nothing, nor do marks around the whole line.
    """
    if len(cells) == 1:
        return not cells[0].strip(_NOTHING)
    return not any(map(str.strip, cells))


_NOTHING: Final = f" \t\r\n\xa0\x1a\ufeff{DELIMITERS}"


#: In one record; a longer one is a quote that was never closed.
_MOST_LINES: Final = 1000
_MOST_CHARACTERS: Final = 1 << 20


class _Lines:
    """Lines for csv.reader, remembered until their record is whole, so they can be read again."""

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._lines = iter(lines)
        self._delimiter = delimiter
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        #: lines and characters that need not be read again
        self._passed = self._offset = 0
        self._ahead: Ahead | None = None

    def __iter__(self) -> Iterator[str]:
        again, taken = self._again, self._taken
        size = 0
        while not taken or (len(taken) < _MOST_LINES and size < _MOST_CHARACTERS):
            if len(taken) == 1 and self._ahead and self._in_vain(self._ahead):
                return
            line = again.popleft() if again else next(self._lines, "")
            if not line:
                return
            size = size + len(line) if taken else len(line)
            taken.append(line)
            yield line

    def records(self) -> Iterator[list[str]]:
        """Every record from here on."""
        while True:
            try:
                for cells in csv.reader(self, delimiter=self._delimiter, strict=True):
                    self._take()
                    yield cells
                return
            except csv.Error:
                yield _alone(self._give_back(), self._delimiter)

    def waiting(self) -> str:
        """Lines that were given back, and are taken now."""
        waiting = "".join(self._again)
        self._again.clear()
        self._ahead = None
        return waiting

    def through(self, lines: list[str]) -> Iterator[list[str]]:
        """The records that begin in these lines; the last may take more of the text."""
        self._again.extend(lines)
        end = self._passed + len(lines)
        for record in self.records():
            yield record
            if self._passed >= end:
                return

    def _take(self) -> None:
        """Their record is whole."""
        self._pass(self._taken)
        self._taken.clear()

    def _give_back(self) -> str:
        """Return all but the first line of the record, and that line."""
        first, *rest = self._taken
        if rest:
            self._ahead = Ahead(
                self._taken, self._delimiter, line=self._passed, offset=self._offset
            )
        self._again.extendleft(reversed(rest))
        self._taken.clear()
        self._pass([first])
        return first

    def _pass(self, lines: Sequence[str]) -> None:
        self._passed += len(lines)
        self._offset += sum(map(len, lines))

    def _in_vain(self, ahead: Ahead) -> bool:
        """Whether the record that is open behind its first line will surely find no end."""
        if self._passed >= ahead.line:
            self._ahead = None
            return False
        while ahead.fate is None and self._reaches(ahead):
            ahead.look(self._line(ahead.line - self._passed - 1))
        return ahead.fate is not Fate.CLOSED or not self._reaches(ahead)

    def _reaches(self, ahead: Ahead) -> bool:
        """Whether the record may be so long that it takes the line `ahead.line`."""
        return (
            ahead.line - self._passed < _MOST_LINES
            and ahead.offset - self._offset < _MOST_CHARACTERS
        )

    def _line(self, index: int) -> str:
        """One of the lines to come, which `index` others precede; "" at the end."""
        while len(self._again) <= index:
            line = next(self._lines, "")
            if not line:
                return ""
            self._again.append(line)
        return self._again[index]


def _alone(line: str, delimiter: str) -> list[str]:
    """The cells of one line, forgiving marks in odd places; Damaged if a cell is still open.

    A cell that goes on behind its closing mark is kept as it is, marks and all: `"Bob" Smith`.
    """
    whole = line.rstrip("\r\n")
    pattern = _cell(delimiter)
    cells: list[str] = []
    at = 0
    while found := pattern.match(whole, at):
        quoted, bare = found.groups()
        cells.append(bare if quoted is None else quoted.replace('""', '"'))
        if found.end() == len(whole):
            too_long = max(map(len, cells)) > csv.field_size_limit()
            return Damaged([whole]) if too_long else cells
        at = found.end() + 1
    return Damaged([*cells, whole[at + 1 :].replace('""', '"')])


@lru_cache
def _cell(delimiter: str) -> re.Pattern[str]:
    """One cell: between marks, going on behind them, or without. None where a mark stays open."""
    end = re.escape(delimiter)
    marked = '"(?:[^"]|"")*+"'
    return re.compile(
        f'"((?:[^"]|"")*+)"(?={end}|$)|({marked}[^{end}]*+|(?!")[^{end}]*+)', re.DOTALL
    )
