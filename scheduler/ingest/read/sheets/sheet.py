"""What every spreadsheet file comes to: sheets, and their rows one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from scheduler.ingest.read.sheets.package import no_workbook

#: Columns of a list, counted from A. Cells beyond are kept without their place.
MOST_COLUMNS: Final = 1_000
#: A sheet ends here in every program.
MOST_ROWS: Final = 1_048_576
#: Characters of one row.
MOST_IN_ROW: Final = 131_072


class Row(NamedTuple):
    """A row that is in the file. `cells` begin in column A and end with the last one there is.

    `beyond` are the texts behind the columns that a list may have. Rows between two of them are
    blank.
    """

    number: int
    hidden: bool
    cells: list[str]
    beyond: list[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet by its name; `rows` reads it from its top, each time it is called."""

    name: str
    visible: bool
    rows: Callable[[], Iterator[Row]]


def refuse_long_row(number: int) -> NoReturn:
    """Raises Refused for a row with too much text."""
    raise no_workbook(f"Row {number} holds more than {MOST_IN_ROW:,} characters. Shorten it.")


#: Told what is doubtful about a cell: the kind of doubt and the row.
Doubt = Callable[[str, int], None]


def column_of(letters: str) -> int:
    """A column's index from 0 by its letters; -1 for what is no column's name."""
    index = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            return -1
        index = index * 26 + ord(letter) - 64
        if index > 16_384:
            return -1
    return index - 1
