"""The cells of one row of an ODS: what each shows, in its place."""

import re
from typing import Final
from xml.parsers.expat import XMLParserType

from scheduler.ingest.read.sheets.digits import general, with_all_digits
from scheduler.ingest.read.sheets.markup import refuse_odd
from scheduler.ingest.read.sheets.sheet import MOST_COLUMNS, MOST_IN_ROW, refuse_long_row
from scheduler.ingest.read.sheets.strings import LONGEST_CELL, refuse_long

_NUMBERS: Final = ("float", "percentage", "currency")
#: Elements within a paragraph whose words do not stand in the cell.
_ASIDE: Final = ("text:ruby-text", "text:note", "office:annotation")
_BLANKS: Final = re.compile("[ \t\r\n]+")
_MOST_CELLS: Final = 16_384


class Cell:
    """Collects a row's cells one after the other, each open until it is closed."""

    def __init__(self, parser: XMLParserType) -> None:
        self._parser = parser
        self._texts: list[str] = []
        self._beyond: list[str] = []
        self._number = 0
        self._column = self._count = self._in_row = 0
        self._depth = 0
        self._times = 1
        self._aside = 0
        self._attributes: dict[str, str] = {}
        self._paragraphs = 0
        self._pieces: list[str] = []
        self._size = 0

    def new_row(self, number: int) -> None:
        """Begin the row of that number."""
        self._number = number
        self._texts, self._beyond = [], []
        self._column = self._count = self._depth = self._in_row = 0

    def row(self) -> tuple[list[str], list[str]]:
        """The row's texts in their places, and those beyond the last place."""
        return self._texts, self._beyond

    def open(self, attributes: dict[str, str], times: int, depth: int) -> None:
        """Begin a cell that stands there so many times."""
        self._count += 1
        if self._depth or self._count > _MOST_CELLS:
            refuse_odd()
        self._depth, self._times, self._attributes = depth, times, attributes
        self._paragraphs = self._size = self._aside = 0
        self._pieces = []

    def start(self, name: str, attributes: dict[str, str], depth: int) -> None:
        """An element within the cell, or between cells."""
        if not self._depth or self._aside:
            return
        if depth == self._depth + 1:
            if name == "text:p":
                if self._paragraphs:
                    self._add("\n")
                self._paragraphs += 1
                self._parser.CharacterDataHandler = self._listen
        elif name in _ASIDE:
            self._aside = depth
            self._parser.CharacterDataHandler = None
        elif self._parser.CharacterDataHandler is not None:
            self._add_blank(name, attributes)

    def end(self, name: str, depth: int) -> None:
        """The end of such an element."""
        if self._aside:
            if depth == self._aside:
                self._aside = 0
                self._parser.CharacterDataHandler = self._listen
        elif name == "text:p" and depth == self._depth + 1:
            self._parser.CharacterDataHandler = None

    def close(self) -> None:
        """Put the cell into its place or places."""
        text = self._shown()
        times = self._times
        self._depth = 0
        if text:
            start = self._column
            self._in_row += len(text) * min(times, MOST_COLUMNS)
            if self._in_row > MOST_IN_ROW:
                refuse_long_row(self._number)
            if start < MOST_COLUMNS:
                self._texts += [""] * (start - len(self._texts))
                self._texts += [text] * min(times, MOST_COLUMNS - start)
            if start + times > MOST_COLUMNS and text.strip():
                self._beyond.append(text)
        self._column += times

    def _listen(self, text: str) -> None:
        self._add(_BLANKS.sub(" ", text))

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > LONGEST_CELL:
            refuse_long()

    def _add_blank(self, name: str, attributes: dict[str, str]) -> None:
        if name == "text:s":
            told = attributes.get("text:c", "1")
            if not told.isdecimal() or len(told) > 5:
                refuse_long()
            self._add(" " * int(told))
        elif name == "text:tab":
            self._add("\t")
        elif name == "text:line-break":
            self._add("\n")

    def _shown(self) -> str:
        """What the cell shows, with all digits of a whole number that may be a phone's."""
        attributes = self._attributes
        kind = attributes.get("office:value-type", "")
        text = "".join(self._pieces)
        if kind in _NUMBERS:
            try:
                value = float(attributes.get("office:value", ""))
            except ValueError:
                return text
            return with_all_digits(text, value) if self._paragraphs else general(value)
        if self._paragraphs:
            return text
        if kind == "boolean":
            return attributes.get("office:boolean-value", "").upper()
        stored = {"string": "string-value", "date": "date-value", "time": "time-value"}.get(kind)
        return attributes.get(f"office:{stored}", "") if stored else ""
