"""Which sheet of a workbook is the list, and where on it the header is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from scheduler.ingest.read.sheets.sheet import MOST_COLUMNS, Row, Sheet
from shared.errors import Refused

#: Rows with anything in them among which the header is looked for.
_LOOKED_AT: Final = 50
_LONGEST_NAME: Final = 100
_PHONE_DIGITS: Final = range(9, 16)
_BETWEEN_DIGITS: Final = " .-/()+\xa0'"


@dataclass(frozen=True, slots=True)
class Listing:
    """A sheet as a list. `row` is the header's number, `first` its first column, from 0.

    `above` counts the rows with anything in them above it. `phones` is true when a column's name
    means a phone number, `rows` when there is any row below.
    """

    sheet: Sheet
    row: int
    header: list[str]
    first: int
    above: int
    phones: bool
    rows: bool

    @property
    def place(self) -> str:
        """Where the header is, for people."""
        return f"sheet “{self.sheet.name}”, row {self.row}"


def find_list(
    sheets: Sequence[Sheet], *, is_phone_name: Callable[[str], bool], include_hidden: bool
) -> tuple[Listing, list[str]]:
    """The list among the sheets that are shown, and the names of others that hold anything.

    Raises Refused empty_file, which_sheet, too_many_columns.
    """
    shown = [sheet for sheet in sheets if sheet.visible] or list(sheets)
    found = [
        listing
        for sheet in shown
        if (listing := _look(sheet, is_phone_name, include_hidden=include_hidden))
    ]
    if not found:
        raise _empty(shown)
    lists = [listing for listing in found if listing.phones and listing.rows]
    if len(lists) > 1:
        raise _several(lists)
    taken = (lists or [listing for listing in found if listing.phones] or found)[0]
    return taken, [listing.sheet.name for listing in found if listing is not taken]


def _empty(shown: Sequence[Sheet]) -> Refused:
    if not shown:
        return Refused("empty_file", "The workbook has no sheet with cells. Save it as CSV.")
    said = f"The workbook's first sheet, “{shown[0].name}”, is empty"
    said += " and so are the others." if len(shown) > 1 else "."
    return Refused("empty_file", f"{said} Put the rows on a sheet that is not hidden.")


def _several(lists: Sequence[Listing]) -> Refused:
    names = [listing.sheet.name for listing in lists]
    quoted = ", ".join(f"“{name}”" for name in names[:10])
    return Refused(
        "which_sheet",
        f"Several sheets hold lists with phone numbers: {quoted}. Leave only the one to text in "
        "the workbook, or hide the others.",
        details={"sheets": names[:100]},
    )


def _look(
    sheet: Sheet, is_phone_name: Callable[[str], bool], *, include_hidden: bool
) -> Listing | None:
    """The sheet's header and what is around it; None for a sheet that shows nothing."""
    filled = _filled(sheet.rows(), include_hidden=include_hidden)
    sample = list(islice(filled, _LOOKED_AT))
    if not sample:
        return None
    at = _header_of(sample, is_phone_name)
    row = sample[at]
    if row.beyond:
        raise Refused(
            "too_many_columns",
            f"Row {row.number} of sheet “{sheet.name}” has cells behind the {MOST_COLUMNS:,}th "
            "column. Delete the columns that no text needs.",
        )
    first = next(i for i, cell in enumerate(row.cells) if cell.strip())
    header = row.cells[first:]
    while not header[-1].strip():
        header.pop()
    return Listing(
        sheet,
        row.number,
        header,
        first,
        above=at,
        phones=_names_phones(row, is_phone_name),
        rows=at + 1 < len(sample),
    )


def _filled(rows: Iterator[Row], *, include_hidden: bool) -> Iterator[Row]:
    for row in rows:
        if (include_hidden or not row.hidden) and (any(map(str.strip, row.cells)) or row.beyond):
            yield row


def _header_of(sample: Sequence[Row], is_phone_name: Callable[[str], bool]) -> int:
    """The index of the header: the first row with a column for phones, below titles.

    A lone such word above a row of columns is a title. Numbers above it were a list without a
    header: then the first row is taken, and it is said what is wrong with it.
    """
    named = [i for i, row in enumerate(sample) if _names_phones(row, is_phone_name)]
    if not named:
        widths = [_names(row) for row in sample]
        return widths.index(max(widths)) if _clear(sample[: widths.index(max(widths))]) else 0
    at = named[0]
    if len(named) > 1 and _names(sample[at]) == 1 and _names(sample[named[1]]) > 1:
        at = named[1]
    return at if _clear(sample[:at]) else 0


def _names_phones(row: Row, is_phone_name: Callable[[str], bool]) -> bool:
    """Whether a cell could be the name of a column with phone numbers."""
    return any(len(cell) <= _LONGEST_NAME and is_phone_name(cell) for cell in row.cells)


def _names(row: Row) -> int:
    """How many cells could be columns' names: those with a letter."""
    return sum(any(map(str.isalpha, cell)) for cell in row.cells)


def _clear(above: Sequence[Row]) -> bool:
    """Whether none of these rows holds a phone number."""
    return not any(_is_number(cell) for row in above for cell in row.cells)


def _is_number(cell: str) -> bool:
    if len(cell) > 40 or cell.strip(_BETWEEN_DIGITS + "0123456789"):
        return False
    return sum(map(str.isdecimal, cell)) in _PHONE_DIGITS
