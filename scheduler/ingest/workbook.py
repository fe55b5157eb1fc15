"""A spreadsheet file (XLSX, XLS, ODS …) to records: the first visible sheet, as text.

Numbers arrive as floats and are written without exponent or `.0`; dates in ISO 8601.
"""

import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO, Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

from shared.errors import Refused

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_BYTES: Final = 2 * 1024**3  # unpacked; a workbook of a million rows has about a tenth


class SheetReader:
    """A sheet's rows, one at a time or in blocks."""

    def __init__(self, records: Iterator[list[str]]) -> None:
        self._records = records

    def record(self) -> list[str] | None:
        """The next row; None at the end."""
        return next(self._records, None)

    def blocks(self, _width: int) -> Iterator[list[list[str]]]:
        """All other rows."""
        while block := list(islice(self._records, 2000)):
            yield block


def is_workbook(file: BinaryIO) -> bool:
    """True for a zip or OLE file, by its first bytes: never by its name."""
    file.seek(0)
    start = file.read(8)
    return start.startswith(_ZIP) or start == _OLE


def sheet_records(file: BinaryIO) -> Callable[[], Iterator[list[str]]]:
    """A function that yields every row of the first visible sheet, from the sheet's row 1.

    The sheet is held in memory, packed; a workbook ends at 1,048,576 rows. Raises Refused
    not_a_csv, empty_file.
    """
    _refuse_bombs(file)
    file.seek(0)
    try:
        book = CalamineWorkbook.from_filelike(file)
        shown = [s.name for s in book.sheets_metadata if s.visible == SheetVisibleEnum.Visible]
        name = (shown or book.sheet_names)[0]
        sheet = book.get_sheet_by_name(name)
    except PasswordError as error:
        raise Refused(
            "not_a_csv", "The workbook is protected by a password. Save it without one."
        ) from error
    except (CalamineError, IndexError) as error:
        raise Refused(
            "not_a_csv", "The file is not a workbook that can be read. Save it as XLSX or CSV."
        ) from error
    if not any(_text(value).strip() for row in sheet.iter_rows() for value in row):
        raise Refused(
            "empty_file",
            f"The workbook's first sheet, “{name}”, is empty. Move the sheet with the rows to the "
            "front, or save it as CSV.",
        )
    return lambda: (list(map(_text, row)) for row in sheet.iter_rows())


def _refuse_bombs(file: BinaryIO) -> None:
    file.seek(0)
    if file.read(4) != _ZIP:
        return
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise Refused("not_a_csv", "The workbook is cut short. Upload it again.") from error
    if size > _MOST_BYTES:
        raise Refused("not_a_csv", "The workbook unpacks to more than 2 GB. Save it as CSV.")


def _text(value: Any) -> str:
    """A cell as a person reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
