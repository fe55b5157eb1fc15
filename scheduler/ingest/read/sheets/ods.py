"""ODS files (OpenDocument 1.3): their sheets, and the rows of each.

What a cell shows is in the file.
"""

from collections.abc import Callable, Iterator
from typing import Final

from scheduler.ingest.read.sheets.markup import DEEPEST, Markup, each_element, refuse_odd
from scheduler.ingest.read.sheets.ods_cell import Cell
from scheduler.ingest.read.sheets.package import Package, locked, no_workbook
from scheduler.ingest.read.sheets.sheet import MOST_ROWS, Row, Sheet

CONTENT: Final = "content.xml"
_MANIFEST: Final = "META-INF/manifest.xml"
_ROOT: Final = "office:document-content"
#: Of sheets and of styles that hide one.
_MOST: Final = 5_000
#: Rows that a sheet says by repeating another: more are no list of people.
_MOST_REPEATED: Final = 100_000


def is_ods(package: Package) -> bool:
    """Whether the package is an OpenDocument spreadsheet, by its first part."""
    if "mimetype" not in package or CONTENT not in package:
        return False
    with package.open("mimetype") as stream:
        return b"opendocument.spreadsheet" in stream.read(200)


def ods_sheets(package: Package) -> list[Sheet]:
    """The sheets in their order. Raises Refused not_a_csv."""
    if _MANIFEST in package:
        with package.open(_MANIFEST) as stream:
            each_element(stream, _refuse_locked)
    outline = _Outline(package)
    return [
        Sheet(name, style not in outline.hidden, _rows_of(package, index))
        for index, (name, style) in enumerate(outline.sheets)
    ]


def _refuse_locked(name: str, _parent: str, _attributes: dict[str, str]) -> None:
    if name == "encryption-data":
        raise locked()


class _Outline:
    """Finds each sheet's name and style, and the styles that hide a sheet."""

    def __init__(self, package: Package) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.hidden: set[str] = set()
        self._style = ""
        self._depth = 0
        with package.open(CONTENT) as stream:
            markup = Markup(stream)
            markup.parser.StartElementHandler = self._start
            markup.parser.EndElementHandler = self._end
            for _ in markup.pieces():
                pass

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == "table:table":
            style = attributes.get("table:style-name", "")
            self.sheets.append((attributes.get("table:name", ""), style))
        elif name == "style:style":
            self._style = attributes.get("style:name", "")
        elif name == "style:table-properties" and attributes.get("table:display") == "false":
            self.hidden.add(self._style)
        elif self._depth == 1 and name != _ROOT:
            raise no_workbook()
        self._bound()

    def _bound(self) -> None:
        if self._depth > DEEPEST or len(self.sheets) + len(self.hidden) > _MOST:
            refuse_odd()

    def _end(self, _name: str) -> None:
        self._depth -= 1


def _rows_of(package: Package, index: int) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        with package.open(CONTENT) as stream:
            reader = _Reader(Markup(stream), index)
            repeated = 0
            for _ in reader.markup.pieces():
                for row, times in reader.rows:
                    repeated += times - 1
                    if repeated > _MOST_REPEATED or row.number + times > MOST_ROWS + 1:
                        raise no_workbook(
                            "The sheet repeats one row more often than a list of people does. "
                            "Delete the repeated rows, or save it as CSV."
                        )
                    yield row
                    for number in range(row.number + 1, row.number + times):
                        yield row._replace(number=number, cells=list(row.cells))
                reader.rows.clear()
                if reader.ended:
                    return

    return rows


class _Reader:
    """Gets the elements of a document, and collects the rows of one sheet, blank ones left out.

    `rows` are those that are complete, each with how often it stands there.
    """

    def __init__(self, markup: Markup, sheet: int) -> None:
        self.markup = markup
        self.rows: list[tuple[Row, int]] = []
        self.ended = False
        self._before = sheet
        self._in_sheet = False
        self._depth = 0
        self._number = 1
        self._times = 1
        self._hidden = False
        self._cell = Cell(markup.parser)
        self._starts: dict[str, Callable[[dict[str, str]], None]] = {
            "table:table": self._start_sheet,
            "table:table-row": self._start_row,
            "table:table-cell": self._start_cell,
            "table:covered-table-cell": self._start_cell,
        }
        markup.parser.StartElementHandler = self._start
        markup.parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            refuse_odd()
        if self._in_sheet or name == "table:table":
            take = self._starts.get(name)
            if take is not None:
                take(attributes)
            else:
                self._cell.start(name, attributes, self._depth)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._in_sheet:
            return
        if name in ("table:table-cell", "table:covered-table-cell"):
            self._cell.close()
        elif name == "table:table-row":
            self._end_row()
        elif name == "table:table":
            self._in_sheet, self.ended = False, True
        else:
            self._cell.end(name, self._depth + 1)

    def _start_sheet(self, _attributes: dict[str, str]) -> None:
        self._in_sheet = self._before == 0 and not self.ended
        self._before -= 1

    def _start_row(self, attributes: dict[str, str]) -> None:
        self._times = repeats(attributes, "table:number-rows-repeated")
        self._hidden = attributes.get("table:visibility", "visible") != "visible"
        self._cell.new_row(self._number)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        times = repeats(attributes, "table:number-columns-repeated")
        self._cell.open(attributes, times, self._depth)

    def _end_row(self) -> None:
        texts, beyond = self._cell.row()
        if any(texts) or beyond:
            row = Row(self._number, self._hidden, texts, beyond)
            self.rows.append((row, self._times))
        self._number += self._times


def repeats(attributes: dict[str, str], name: str) -> int:
    """How often an element stands there. Raises Refused for what is no such number."""
    told = attributes.get(name, "1")
    if not told.isdecimal() or len(told) > 10:
        refuse_odd()
    return max(int(told), 1)
