"""XLSX files: which parts they have, and the sheets in them (ECMA-376)."""

from collections.abc import Callable, Iterator
from posixpath import dirname, join, normpath
from typing import IO, Final, NamedTuple

from scheduler.ingest.read.sheets.markup import each_element, refuse_odd
from scheduler.ingest.read.sheets.package import Package, no_workbook
from scheduler.ingest.read.sheets.sheet import Doubt, Row, Sheet
from scheduler.ingest.read.sheets.strings import SharedStrings
from scheduler.ingest.read.sheets.styles import Styles
from scheduler.ingest.read.sheets.xlsx_rows import Cells, sheet_rows

#: Of sheets, and of parts a part refers to.
_MOST: Final = 5_000
_TRUE: Final = ("1", "true", "on")


class _Relation(NamedTuple):
    """What a part refers to: the last word of its kind, and its name."""

    kind: str
    target: str


def workbook_part(package: Package) -> str | None:
    """The name of an XLSX's main part; None for what is no XLSX."""
    for relation in _relations(package, "").values():
        if relation.kind == "officeDocument" and relation.target in package:
            return relation.target
    return "xl/workbook.xml" if "xl/workbook.xml" in package else None


def xlsx_sheets(package: Package, main: str, *, doubt: Doubt) -> list[Sheet]:
    """The sheets of cells, in their order. Raises Refused not_a_csv."""
    outline = _Outline()
    with package.open(main) as stream:
        each_element(stream, outline.take)
    relations = _relations(package, main)
    cells = Cells(
        SharedStrings(_opened(package, relations, "sharedStrings")),
        Styles(_opened(package, relations, "styles"), since_1904=outline.since_1904),
        doubt,
    )
    sheets: dict[str, Sheet] = {}
    for name, visible, relation in outline.sheets:
        part = relations.get(relation)
        if part is None or part.target in sheets:
            raise no_workbook(f"The workbook lacks its sheet “{name}”. Save it again.")
        if part.kind == "worksheet":
            sheets[part.target] = Sheet(name, visible, _rows_of(package, part.target, cells))
    return list(sheets.values())


def _rows_of(package: Package, part: str, cells: Cells) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        with package.open(part) as stream:
            yield from sheet_rows(stream, cells)

    return rows


class _Outline:
    """What the main part says: the sheets' names, their state, their relations; the epoch."""

    def __init__(self) -> None:
        self.since_1904 = False
        self.sheets: list[tuple[str, bool, str]] = []

    def take(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        """One element of it."""
        if not parent and name != "workbook":
            raise no_workbook()
        if (name, parent) == ("sheet", "sheets"):
            visible = attributes.get("state", "visible") == "visible"
            self.sheets.append((attributes.get("name", ""), visible, attributes.get("id", "")))
            if len(self.sheets) > _MOST:
                refuse_odd()
        elif name == "workbookPr":
            self.since_1904 = attributes.get("date1904", "") in _TRUE


def _relations(package: Package, part: str) -> dict[str, _Relation]:
    """What the part refers to, by id; nothing where it has no list of that."""
    folder, _, name = part.rpartition("/")
    listed = join(folder, "_rels", f"{name}.rels")
    found: dict[str, _Relation] = {}

    def take(name: str, _parent: str, attributes: dict[str, str]) -> None:
        if name != "Relationship" or attributes.get("TargetMode") == "External":
            return
        target = normpath(join("/", dirname(part), attributes.get("Target", ""))).lstrip("/")
        kind = attributes.get("Type", "").rpartition("/")[2]
        found[attributes.get("Id", "")] = _Relation(kind, target)
        if len(found) > _MOST:
            refuse_odd()

    if listed in package:
        with package.open(listed) as stream:
            each_element(stream, take)
    return found


def _opened(package: Package, relations: dict[str, _Relation], kind: str) -> IO[bytes] | None:
    """The part of that kind that the workbook refers to, if it is there."""
    for relation in relations.values():
        if relation.kind == kind and relation.target in package:
            return package.open(relation.target)
    return None
