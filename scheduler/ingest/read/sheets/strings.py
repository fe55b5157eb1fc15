"""An XLSX's shared texts: read as far as they are asked for, kept packed, the rest on disk."""

import os
import re
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from typing import IO, Final
from xml.parsers.expat import XMLParserType

from scheduler.ingest.read.sheets.markup import DEEPEST, Markup, local, refuse_odd
from scheduler.ingest.read.sheets.package import no_workbook

#: Characters of a cell; Excel holds 32,767.
LONGEST_CELL: Final = 65_536
#: Texts that are kept in memory, in bytes; all others are in a file without a name.
_IN_MEMORY: Final = 32 * 1024**2
#: A place of four bytes is kept for each.
_MOST: Final = 16_777_216


class SharedStrings:
    """The texts by their index. `stream` is None where the workbook has none.

    Raises Refused not_a_csv for an index that is not there, and as Markup.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._texts = iter(()) if stream is None else _texts(stream)
        self._near = bytearray()
        self._far: IO[bytes] | None = None
        self._ends = array("I", [0])

    def __getitem__(self, index: int) -> str:
        ends = self._ends
        if index + 1 >= len(ends):
            self._read_through(index)
        start, end = ends[index], ends[index + 1]
        if end <= len(self._near):
            return self._near[start:end].decode()
        if self._far is None:
            return ""
        self._far.flush()
        return os.pread(self._far.fileno(), end - start, start - len(self._near)).decode()

    def _read_through(self, index: int) -> None:
        while index + 1 >= len(self._ends):
            texts = next(self._texts, None)
            if texts is None:
                raise no_workbook("The workbook lacks some of its texts. Save it again.")
            for text in texts:
                self._keep(text.encode())

    def _keep(self, text: bytes) -> None:
        if self._far is None and len(self._near) + len(text) > _IN_MEMORY:
            self._far = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
            weakref.finalize(self, self._far.close)
        if self._far is None:
            self._near += text
        else:
            self._far.write(text)
        if len(self._ends) > _MOST:
            raise no_workbook("The workbook has more than 16 million texts. Save it as CSV.")
        self._ends.append(self._ends[-1] + len(text))


def _texts(stream: IO[bytes]) -> Iterator[list[str]]:
    """The texts of a sharedStrings part, as they are parsed; phonetic readings are left out."""
    markup = Markup(stream)
    reader = _Reader(markup.parser)
    for _ in markup.pieces():
        yield reader.found
        reader.found.clear()


class _Reader:
    """Gets the elements of sharedStrings, and collects its texts in `found`."""

    def __init__(self, parser: XMLParserType) -> None:
        self.found: list[str] = []
        self._parser = parser
        self._text = ""
        self._depth = 0
        self._phonetic = False
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        name = local(name)
        if name == "t":
            if not self._phonetic:
                self._parser.CharacterDataHandler = self._listen
        elif name == "si":
            self._text, self._phonetic = "", False
        elif name == "rPh":
            self._phonetic = True
        if self._depth > DEEPEST or (self._depth == 1 and name != "sst"):
            refuse_odd()

    def _listen(self, text: str) -> None:
        self._text += text
        if len(self._text) > LONGEST_CELL:
            refuse_long()

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._parser.CharacterDataHandler = None
        name = local(name)
        if name == "si":
            self.found.append(unescaped(self._text))
        elif name == "rPh":
            self._phonetic = False


def refuse_long() -> None:
    """Raises Refused for a cell with too much text."""
    raise no_workbook(f"A cell of the workbook holds more than {LONGEST_CELL:,} characters.")


_ESCAPE: Final = re.compile("_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """`_x000D_` is how OOXML writes a character that XML cannot hold; `_x005F_` is a plain `_`."""
    if "_x" not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
