"""The rows of an XLSX's sheet as a stream: cells that exist, whatever extent the file claims."""

from collections.abc import Iterator
from typing import IO, Final
from xml.parsers.expat import XMLParserType

from scheduler.ingest.read.sheets.markup import DEEPEST, Markup, refuse_odd
from scheduler.ingest.read.sheets.package import no_workbook
from scheduler.ingest.read.sheets.sheet import (
    MOST_COLUMNS,
    MOST_IN_ROW,
    MOST_ROWS,
    Doubt,
    Row,
    column_of,
    refuse_long_row,
)
from scheduler.ingest.read.sheets.strings import (
    LONGEST_CELL,
    SharedStrings,
    refuse_long,
    unescaped,
)
from scheduler.ingest.read.sheets.styles import Styles


class Cells:
    """What the cells of one workbook show."""

    def __init__(self, strings: SharedStrings, styles: Styles, doubt: Doubt) -> None:
        self._strings = strings
        self._styles = styles
        self._doubt = doubt

    def shown(self, kind: str, style: str, raw: str, row: int) -> str:
        """A cell's text, by its type (`t`), its style (`s`) and what is stored, not ""."""
        if kind == "s":
            if not raw.isdecimal() or len(raw) > _LONGEST_INDEX:
                refuse_odd()
            return self._styles.text(style, self._strings[int(raw)])
        if kind in ("", "n"):
            return self._styles.number(style, raw, row, self._doubt)
        if kind == "b":
            return "TRUE" if raw.strip() in _TRUE else "FALSE"
        if kind == "e":
            return raw
        if kind == "d":
            return self._styles.moment(style, raw, row, self._doubt)
        return self._styles.text(style, unescaped(raw))

    def without_result(self, row: int) -> None:
        """A formula's result is not in the file."""
        self._doubt("no_result", row)


def sheet_rows(stream: IO[bytes], cells: Cells) -> Iterator[Row]:
    """The rows that the part has, in order. Raises Refused not_a_csv."""
    markup = Markup(stream)
    reader = _Reader(markup.parser, cells)
    for _ in markup.pieces():
        yield from reader.rows
        reader.rows.clear()


class _Reader:
    """Gets the sheet's elements, and collects rows. Fields are those of the row and cell at hand.

    `_kind` is the open cell's, and None where none is open.
    """

    __slots__ = (
        *("_aside", "_beyond", "_cell", "_column", "_columns", "_computed", "_count", "_depth"),
        *("_formula", "_hidden", "_inline", "_kind", "_line", "_number", "_parser", "_phonetic"),
        *("_raw", "_show", "_size", "_style", "_texts", "_value", "_without_result", "rows"),
    )

    def __init__(self, parser: XMLParserType, cells: Cells) -> None:
        self.rows: list[Row] = []
        self._parser = parser
        self._show, self._without_result = cells.shown, cells.without_result
        self._columns: dict[str, int] = {}
        self._texts: list[str] = []
        self._beyond: list[str] = []
        self._kind: str | None = None
        self._style = self._raw = ""
        self._number = self._count = self._size = 0
        self._column = -1
        self._depth = 1
        self._hidden = self._computed = self._aside = False
        parser.StartElementHandler = self._root

    def _root(self, name: str, _attributes: dict[str, str]) -> None:
        prefix, colon, word = name.rpartition(":")
        if word != "worksheet":
            raise no_workbook()
        prefix += colon
        self._cell, self._value, self._inline = f"{prefix}c", f"{prefix}v", f"{prefix}t"
        self._line, self._formula, self._phonetic = f"{prefix}row", f"{prefix}f", f"{prefix}rPh"
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == self._cell:
            self._start_cell(attributes)
        elif name in (self._value, self._inline):
            if self._kind is not None and not self._aside:
                self._parser.CharacterDataHandler = self._listen
        elif name == self._line:
            self._start_row(attributes)
        else:
            self._computed = self._computed or name == self._formula
            self._aside = self._aside or name == self._phonetic
            if self._depth > DEEPEST:
                refuse_odd()

    def _start_row(self, attributes: dict[str, str]) -> None:
        told = attributes.get("r")
        row = self._number + 1 if told is None else _row_number(told)
        if not self._number < row <= MOST_ROWS or self._depth > DEEPEST:
            raise no_workbook("The workbook's rows are out of order. Save it again.")
        self._number, self._column, self._count, self._size = row, -1, 0, 0
        self._texts, self._beyond = [], []
        self._hidden = attributes.get("hidden") in _TRUE or attributes.get("ht") in _NO_HEIGHT

    def _start_cell(self, attributes: dict[str, str]) -> None:
        address = attributes.get("r")
        if address is None:
            self._column += 1
        else:
            letters = address.rstrip("0123456789")
            at = self._columns.get(letters)
            self._column = _new_column(letters, self._columns) if at is None else at
        self._count += 1
        if self._kind is not None or self._count > _MOST_CELLS:
            refuse_odd()
        self._kind, self._style = attributes.get("t", ""), attributes.get("s", "")
        self._raw = ""
        self._computed = self._aside = False

    def _listen(self, text: str) -> None:
        self._raw += text
        if len(self._raw) > LONGEST_CELL:
            refuse_long()

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == self._cell:
            self._end_cell(self._kind or "")
        elif name == self._line:
            self.rows.append(Row(self._number, self._hidden, self._texts, self._beyond))
        elif name == self._phonetic:
            self._aside = False
        else:
            self._parser.CharacterDataHandler = None

    def _end_cell(self, kind: str) -> None:
        self._kind = None
        if not self._raw:
            if self._computed and kind in ("", "n"):
                self._without_result(self._number)
            return
        text = self._show(kind, self._style, self._raw, self._number)
        self._size += len(text)
        if self._size > MOST_IN_ROW:
            refuse_long_row(self._number)
        texts, column = self._texts, self._column
        if column == len(texts):
            texts.append(text)
        elif column >= MOST_COLUMNS:
            if text.strip():
                self._beyond.append(text)
        elif column < len(texts):
            texts[column] = text
        else:
            texts.extend([""] * (column - len(texts)))
            texts.append(text)


def _new_column(letters: str, columns: dict[str, int]) -> int:
    column = column_of(letters)
    if column < 0:
        refuse_odd()
    columns[letters] = column
    return column


_TRUE: Final = ("1", "true", "on")
_NO_HEIGHT: Final = ("0", "0.0")
#: Digits of a shared text's index.
_LONGEST_INDEX: Final = 9
#: In one row; no program has more columns.
_MOST_CELLS: Final = 16_384


def _row_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
