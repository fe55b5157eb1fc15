"""XML read as a stream, in flat memory whatever it says: no DOCTYPE, nothing endless."""

from collections.abc import Callable, Iterator
from typing import IO, Final, NoReturn
from xml.parsers import expat

from scheduler.ingest.read.sheets.package import no_workbook, read

_PIECE: Final = 16 * 1024
#: Bytes of one tag, comment or the like, which the parser keeps whole and may read again.
_LONGEST: Final = 256 * 1024
#: Different names of elements and attributes, which the parser never forgets.
_MOST_NAMES: Final = 10_000
#: Elements within each other; a workbook's have about ten.
DEEPEST: Final = 256


class Markup:
    """Parses one part a piece at a time. The caller sets `parser`'s handlers (xml.parsers.expat).

    The parser remembers all open elements: handlers see to it that they are no more than DEEPEST.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._fed = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = _PIECE
        self.parser.StartDoctypeDeclHandler = _refuse_doctype

    def pieces(self) -> Iterator[None]:
        """Parse on, and stop after each piece. Raises Refused not_a_csv."""
        while piece := read(self._stream, _PIECE):
            self._parse(piece)
            self._fed += len(piece)
            waiting = self._fed - max(self.parser.CurrentByteIndex, 0)
            if waiting > _LONGEST or len(self.parser.intern) > _MOST_NAMES:
                refuse_odd()
            yield
        self._parse(b"", last=True)
        yield

    def _parse(self, piece: bytes, *, last: bool = False) -> None:
        try:
            self.parser.Parse(piece, last)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise no_workbook(
                "The workbook is damaged: a part of it is not XML. Save it again."
            ) from error


#: Gets an element's name, its parent's, and its attributes, all without prefixes.
Take = Callable[[str, str, dict[str, str]], None]


def each_element(stream: IO[bytes], take: Take) -> None:
    """Show every element of a part to `take`. Raises Refused not_a_csv."""
    markup = Markup(stream)
    path = [""]

    def start(name: str, attributes: dict[str, str]) -> None:
        name = local(name)
        take(name, path[-1], {local(key): value for key, value in attributes.items()})
        path.append(name)
        if len(path) > DEEPEST:
            refuse_odd()

    markup.parser.StartElementHandler = start
    markup.parser.EndElementHandler = lambda _name: path.pop()
    for _ in markup.pieces():
        pass


def refuse_odd() -> NoReturn:
    """Raises Refused for what no spreadsheet program writes."""
    raise no_workbook("The workbook was not made by a spreadsheet program. Save it as CSV.")


def _refuse_doctype(*_: object) -> NoReturn:
    raise no_workbook("The workbook declares entities, which none needs. Save it as XLSX or CSV.")


def local(name: str) -> str:
    """An element's or attribute's name without its prefix."""
    return name.rpartition(":")[2]
