"""The rows of an XLSX's sheet as a stream: cells that exist, whatever extent the file claims."""

from collections.abc import Iterator
from typing import IO, Final
from xml.parsers.expat import XMLParserType

from scheduler.ingest.sheets.markup import DEEPEST, Markup, refuse_odd
from scheduler.ingest.sheets.package import no_workbook
from scheduler.ingest.sheets.sheet import (
    MOST_COLUMNS,
    MOST_IN_ROW,
    MOST_ROWS,
    Doubt,
    Row,
    column_of,
    refuse_long_row,
)
from scheduler.ingest.sheets.strings import (
    LONGEST_CELL,
    SharedStrings,
    refuse_long,
    unescaped,
)
from scheduler.ingest.sheets.styles import Styles


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
    rows: list[Row] = []

    def root(name: str, _attributes: dict[str, str]) -> None:
        prefix, colon, word = name.rpartition(":")
        if word != "worksheet":
            raise no_workbook()
        _collect(markup.parser, prefix + colon, cells, rows)

    markup.parser.StartElementHandler = root
    for _ in markup.pieces():
        yield from rows
        rows.clear()


def _collect(  # noqa: C901, PLR0915 - three handlers of one state, called for every cell
    parser: XMLParserType, prefix: str, cells: Cells, rows: list[Row]
) -> None:
    """Set the handlers that put the rows of a sheet into `rows`. The root is open.

    Functions within one, since their fields are read some ten million times a file.
    """
    cell, value, inline = f"{prefix}c", f"{prefix}v", f"{prefix}t"
    line, formula, phonetic = f"{prefix}row", f"{prefix}f", f"{prefix}rPh"
    columns: dict[str, int] = {}
    texts: list[str] = []
    beyond: list[str] = []
    kind: str | None = None  # of the cell that is open; None where none is
    style = raw = ""
    number = count = size = 0
    column = -1
    depth = 1
    hidden = computed = aside = False
    shown = cells.shown

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, column, count, kind, style, raw, computed, aside
        depth += 1
        if name == cell:
            address = attributes.get("r")
            if address is None:
                column += 1
            else:
                letters = address.rstrip("0123456789")
                at = columns.get(letters)
                column = _new_column(letters, columns) if at is None else at
            count += 1
            if kind is not None or count > _MOST_CELLS:
                refuse_odd()
            kind, style, raw = attributes.get("t", ""), attributes.get("s", ""), ""
            computed = aside = False
        elif name in (value, inline):
            if kind is not None and not aside:
                parser.CharacterDataHandler = listen
        elif name == line:
            start_row(attributes)
        else:
            computed = computed or name == formula
            aside = aside or name == phonetic
            if depth > DEEPEST:
                refuse_odd()

    def start_row(attributes: dict[str, str]) -> None:
        nonlocal number, column, count, size, hidden, texts, beyond
        told = attributes.get("r")
        row = number + 1 if told is None else _row_number(told)
        if not number < row <= MOST_ROWS or depth > DEEPEST:
            raise no_workbook("The workbook's rows are out of order. Save it again.")
        number, column, count, size = row, -1, 0, 0
        texts, beyond = [], []
        hidden = attributes.get("hidden") in _TRUE or attributes.get("ht") in _NO_HEIGHT

    def listen(text: str) -> None:
        nonlocal raw
        raw += text
        if len(raw) > LONGEST_CELL:
            refuse_long()

    def end(name: str) -> None:
        nonlocal depth, kind, aside, size
        depth -= 1
        if name == cell:
            if raw:
                text = shown(kind or "", style, raw, number)
                size += len(text)
                if size > MOST_IN_ROW:
                    refuse_long_row(number)
                place(text)
            elif computed and kind in ("", "n"):
                cells.without_result(number)
            kind = None
        elif name == line:
            rows.append(Row(number, hidden, texts, beyond))
        elif name == phonetic:
            aside = False
        else:
            parser.CharacterDataHandler = None

    def place(text: str) -> None:
        if column == len(texts):
            texts.append(text)
        elif column >= MOST_COLUMNS:
            if text.strip():
                beyond.append(text)
        elif column < len(texts):
            texts[column] = text
        else:
            texts.extend([""] * (column - len(texts)))
            texts.append(text)

    parser.StartElementHandler, parser.EndElementHandler = start, end


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
