"""What can be wrong with a row besides its number: its bytes, its cells, its values."""

from collections.abc import Sequence
from typing import Final

from scheduler.ingest.read.delimited import Damaged
from scheduler.ingest.read.unreadable import CONTROL, LOST, UNREADABLE
from scheduler.ingest.rejects import RejectCode, Returned
from shared.domain.phone import PhoneError, normalise


class Unfit(Exception):
    """A row's fault: column index (None: the whole row), code, reason, fix."""

    def __init__(self, index: int | None, code: RejectCode, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.index = index
        self.code: str = code.value
        self.reason = reason
        self.fix = fix


def readable(cells: Sequence[str]) -> bool:
    """Whether none of these cells has lost bytes or control characters."""
    return UNREADABLE.search("".join(cells)) is None


def refuse_unreadable(cells: Sequence[str]) -> None:
    """Raises Unfit bad_encoding, control_character."""
    for index, cell in enumerate(cells):
        if LOST.search(cell):
            raise Unfit(
                index,
                RejectCode.BAD_ENCODING,
                "Some bytes of it are not text in the file's encoding.",
                "Type the cell anew, or export the file as UTF-8.",
            )
        if found := CONTROL.search(cell):
            raise Unfit(
                index,
                RejectCode.CONTROL_CHARACTER,
                f"It holds an invisible control character (U+{ord(found[0]):04X}).",
                "Type the cell anew.",
            )


def fitted(cells: list[str], width: int) -> list[str]:
    """Cells as many as columns; blank ones beyond the header are dropped.

    Raises Unfit too_few_columns, too_many_columns.
    """
    if isinstance(cells, Damaged):
        raise Unfit(None, RejectCode.TOO_FEW_COLUMNS, cells.reason, cells.fix)
    if len(cells) < width:
        raise Unfit(
            None,
            RejectCode.TOO_FEW_COLUMNS,
            f"The row has {len(cells)} of {width} columns.",
            "Add the missing cells; leave them empty but keep their delimiters.",
        )
    if any(cell.strip() for cell in cells[width:]):
        raise Unfit(
            None,
            RejectCode.TOO_MANY_COLUMNS,
            f"The row has {len(cells)} columns, the header {width}.",
            'Put a cell that holds the delimiter in quotation marks: "Hello, Ana". In a workbook, '
            "name the cell's column or empty the cell.",
        )
    return cells[:width]


def refuse_unchanged(cell: str, returned: Returned, *, region: str, index: int) -> None:
    """A duplicate that comes back without the row it repeated is still one. Raises Unfit duplicate.

    The same number in other writing is no other number. What was a duplicate was readable, so a
    value that is not has suffered in a spreadsheet, and nobody can tell; to send is forever.
    `cell` is its number now, `index` that column's; raises PhoneError for it.
    """
    value = returned.value
    number = "" if cell.strip() == value.strip() else normalise(cell, region)
    try:
        same = not number or normalise(value, region) == number
    except PhoneError:
        raise Unfit(
            index,
            RejectCode.DUPLICATE,
            "It was a duplicate in the file it came from, and volley_value no longer tells "
            "whether its number has changed.",
            "Leave it out, or correct the number and empty its volley_code.",
        ) from None
    if same:
        raise Unfit(
            index,
            RejectCode.DUPLICATE,
            "It was a duplicate in the file it came from, and its number is unchanged.",
            "Leave it out, or correct the number.",
        )


_SHEET_ERRORS: Final = frozenset(
    ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"]
)
#: What programs write where there is nothing, and nothing itself.
# Not Null, Nan and Na, which are names, nor none, NA (Namibia) and other words people mean.
NO_VALUES: Final = _SHEET_ERRORS | {
    *("NULL", "null", "(null)", "None", "NaN", "nan", "<NA>", "N/A", "n/a", "#n/a", "\\N"),
    "undefined",
    "",
}


def nothing_in(index: int, name: str, value: str) -> Unfit:
    """The fault of a row whose message needs what is not there."""
    reason = f"“{name}” is empty, and the message needs it."
    if value in _SHEET_ERRORS:
        reason = f"“{name}” holds a spreadsheet's error, {value}."
    elif value:
        reason = f"“{name}” holds {value}, as programs write where there is nothing."
    return Unfit(
        index,
        RejectCode.MISSING_VALUE,
        reason,
        f"Fill in “{name}”, or take {{{name}}} out of the message.",
    )
