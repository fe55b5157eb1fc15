"""A spreadsheet file (XLSX, ODS) to records: the sheet with the list, each cell as it is shown.

Read as a stream: memory does not grow with the file, nor with what the file claims to be.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

from scheduler.ingest.read.columns import is_phone_name
from scheduler.ingest.read.sheets.listing import Listing, find_list
from scheduler.ingest.read.sheets.ods import is_ods, ods_sheets
from scheduler.ingest.read.sheets.package import MOST_BYTES, Package, locked, no_workbook
from scheduler.ingest.read.sheets.sheet import Doubt, Row, Sheet
from scheduler.ingest.read.sheets.xlsx import workbook_part, xlsx_sheets
from scheduler.ingest.read.warnings import Warnings
from shared.errors import Refused

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Rows of a block, and the characters at which one ends sooner.
_ROWS: Final = 2_000
_CHARACTERS: Final = 2_000_000


class Workbook:
    """One workbook's list, from a seekable file that stays the caller's.

    `kind` is xlsx or ods. `hidden` counts the rows that the newest reader left out because the
    workbook hides them; `place` names the sheet and the header's row for people.
    Raises Refused not_a_csv, empty_file, which_sheet, too_many_columns.
    """

    def __init__(self, file: BinaryIO, *, warnings: Warnings, include_hidden: bool) -> None:
        self.hidden = self._size = 0
        self._include_hidden = include_hidden
        self._warnings = warnings
        self.kind, sheets = _sheets(file, _doubt(warnings))
        self._list, others = find_list(
            sheets,
            is_phone_name=is_phone_name,
            include_hidden=include_hidden,
        )
        self.place = self._list.place
        self._warn(self._list, others)

    def reader(self) -> "SheetReader":
        """The list's records from the sheet's row 1; blank where rows are not of the list."""
        self.hidden = self._size = 0
        return SheetReader(self._records())

    def _records(self) -> Iterator[list[str]]:
        number = 0
        for row in self._list.sheet.rows():
            if row.number < self._list.row:
                continue
            cells = self._cells(row)
            if cells and row.hidden and not self._include_hidden:
                self.hidden += 1
                cells = []
            if not cells:
                continue
            for _ in range(number + 1, row.number):
                yield []
            number = row.number
            yield cells

    def _cells(self, row: Row) -> list[str]:
        """As many cells as the header has, and behind them what is in no column; [] if blank."""
        cells, first, width = row.cells, self._list.first, len(self._list.header)
        if first:
            if any(map(str.strip, cells[:first])):
                self._warn_of_left(row.number)
            cells = cells[first:]
        if len(cells) < width:
            cells += [""] * (width - len(cells))
        elif len(cells) > width:
            cells = cells[:width] + [cell for cell in cells[width:] if cell.strip()]
        cells += row.beyond
        if not any(map(str.strip, cells)):
            return []
        self._size += sum(map(len, cells))
        if self._size > MOST_BYTES:  # a text that is stored once may stand in every cell
            raise no_workbook("The workbook holds more than 2 GB of text. Save it as CSV.")
        return cells

    def _warn(self, taken: Listing, others: list[str]) -> None:
        if others:
            quoted = ", ".join(f"“{name}”" for name in others[:5])
            more = f" and {len(others) - 5} more" if len(others) > 5 else ""
            self._warnings.add(
                "other_sheets",
                f"The rows of sheet “{taken.sheet.name}” are read, not those of {quoted}{more}.",
                fix="If that is the wrong sheet, delete or hide it and leave the right one.",
            )
        if taken.above:
            rows = "row above is" if taken.above == 1 else f"{taken.above} rows above are"
            self._warnings.add(
                "rows_above_header",
                f"The columns' names are in {taken.place}; the {rows} not read.",
                fix="Delete what is above the columns' names if it is not a title.",
            )

    def _warn_of_left(self, row: int) -> None:
        self._warnings.add(
            "cells_left_of_header",
            "Cells to the left of the first column's name are not read.",
            fix="Give their column a name if the message needs them.",
            row=row,
        )


class SheetReader:
    """A sheet's rows, one at a time or in blocks."""

    def __init__(self, records: Iterator[list[str]]) -> None:
        self._records = records

    def record(self) -> list[str] | None:
        """The next row; None at the end."""
        return next(self._records, None)

    def blocks(self, _width: int) -> Iterator[list[list[str]]]:
        """All other rows."""
        block: list[list[str]] = []
        size = 0
        for cells in self._records:
            block.append(cells)
            size += sum(map(len, cells))
            if len(block) >= _ROWS or size > _CHARACTERS:
                yield block
                block, size = [], 0
        if block:
            yield block


def is_workbook(file: BinaryIO) -> bool:
    """True for a zip or OLE file, by its first bytes: never by its name."""
    file.seek(0)
    start = file.read(8)
    return start.startswith(_ZIP) or start == _OLE


def _sheets(file: BinaryIO, doubt: Doubt) -> tuple[str, list[Sheet]]:
    file.seek(0)
    if file.read(4) != _ZIP:
        raise _ole(file)
    package = Package(file)
    if is_ods(package):
        return "ods", ods_sheets(package)
    main = workbook_part(package)
    if main is None:
        raise no_workbook()
    if main.endswith(".bin"):
        raise no_workbook(
            "The workbook is in Excel's binary form (XLSB), which does not tell what cells show. "
            "Save it as XLSX."
        )
    return "xlsx", xlsx_sheets(package, main, doubt=doubt)


def _ole(file: BinaryIO) -> Refused:
    """Why an OLE file is refused: it has a password, or is Excel's before 2007.

    The names of the parts it holds are in UTF-16; the first blocks are searched for them, and the
    last.
    """
    size = file.seek(0, 2)
    for start in (0, max(size - _SEARCHED, 0)):
        file.seek(start)
        if "EncryptedPackage".encode("utf-16-le") in file.read(_SEARCHED):
            return locked()
    return no_workbook(
        "The workbook is in Excel's old form (XLS). Open it and save it as XLSX, so that its cells "
        "are read as they are shown."
    )


_SEARCHED: Final = 4 * 1024**2


def _doubt(warnings: Warnings) -> Doubt:
    def doubt(kind: str, row: int) -> None:
        message, fix = _DOUBTS[kind]
        warnings.add(kind, message, fix=fix, row=row)

    return doubt


_DOUBTS: Final = {
    "no_result": (
        "A formula's result is not in the file, so its cell is read as empty.",
        "Open the workbook in a spreadsheet program and save it again.",
    ),
    "local_date": (
        "A date has the format that shows each computer's own order; it is read as "
        "month/day/year, as in the US.",
        "Give the column a date format of its own, such as 5 March 2026.",
    ),
    "foreign_date": (
        "A date is shown in words of a language or calendar that Volley does not know; it is read "
        "as year-month-day.",
        "Give the column a date format in numbers or in English.",
    ),
}
