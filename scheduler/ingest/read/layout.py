"""How a text is laid out: which delimiter divides it, and which record is its header.

Where the header leaves only one delimiter, that is the one. Where it leaves several (a semicolon
file with a column “Name, first name”) all rows decide: how many of them are as wide as the header,
and under which one a column holds phone numbers.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Final, NamedTuple, TextIO

from scheduler.ingest.read.columns import is_phone_name
from scheduler.ingest.read.delimited import (
    DELIMITERS,
    Splitter,
    is_blank,
    lines_of,
    split_records,
)
from scheduler.ingest.read.swallowed_rows import is_number
from scheduler.ingest.read.table import Place, tabled
from shared.errors import Refused

_SEP: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n?', re.I)
_SAMPLE_LINES: Final = 300
_SAMPLE_CHARACTERS: Final = 1 << 20
_TITLE_ROWS: Final = 20


class Layout(NamedTuple):
    """What divides the cells ("": it is a workbook), and what stands above the header.

    `declared`: a `sep=` line, which no record is. `titles`: that many records.
    """

    delimiter: str
    declared: bool = False
    titles: int = 0


def layout_of(reopen: Callable[[], TextIO], *, delimiter: str | None = None) -> Layout:
    """Find out by reading; `reopen` gives the text from its start. `delimiter` overrules.

    Raises Refused unclear_delimiter.
    """
    with reopen() as text:
        lines = _sample(text)
    declared = declared_delimiter(lines[0].lstrip("\ufeff")) if lines else None
    lines = lines[1:] if declared else lines
    chosen = delimiter or declared or likely_delimiter(lines, reopen)
    return Layout(chosen, bool(declared), heading(split_records(lines, chosen)))


def _sample(text: TextIO) -> list[str]:
    """The first lines, fewer where they are long."""
    lines: list[str] = []
    size = 0
    for line in islice(lines_of(text), 1 + _SAMPLE_LINES):
        lines.append(line)
        size += len(line)
        if size > _SAMPLE_CHARACTERS:
            break
    return lines


def declared_delimiter(first_line: str) -> str | None:
    """The delimiter of a `sep=;` line, which Excel writes and hides."""
    match = _SEP.fullmatch(first_line)
    return match[1] if match else None


def heading(records: Iterable[list[str]]) -> int:
    """How many of the records stand above the header.

    Titles fill fewer cells than the header, of which one has the name of a phone column; or they
    fill a single one, and the header several. No header holds a phone number.
    """
    filled = [
        (place, [cell for cell in cells if cell.strip()])
        for place, cells in enumerate(islice(records, 2 * _TITLE_ROWS))
        if not is_blank(cells)
    ][:_TITLE_ROWS]
    widest = 0
    for place, cells in filled:
        if len(cells) > widest and any(map(is_phone_name, cells)) and not _has_number(cells):
            return place
        widest = max(widest, len(cells))
    for (_, cells), (place, following) in pairwise(filled):
        if len(cells) > 1 or _has_number(following):
            break
        if len(following) > 1:
            return place
    return 0


def likely_delimiter(lines: list[str], reopen: Callable[[], TextIO]) -> str:
    """The one of `, ; tab |` that divides header and rows; a comma if none does.

    `lines` are the first of the text. csv.Sniffer is not used: on a single column of numbers it
    answers "+". Raises Refused unclear_delimiter.
    """
    weighed = [found for found in (_Weighed.of(lines, d) for d in DELIMITERS) if found]
    if len(weighed) < 2:
        return weighed[0].delimiter if weighed else ","
    for candidate in weighed:
        with reopen() as text:
            candidate.weigh(text)
    best, second, *_ = sorted(weighed, key=_Weighed.score, reverse=True)
    if best.score()[:2] == second.score()[:2] and best.score()[0]:
        raise Refused(
            "unclear_delimiter",
            f"The rows can be divided by {_NAMES[best.delimiter]} as well as by "
            f"{_NAMES[second.delimiter]}. Say which one divides them, as delimiter.",
            details={"delimiters": [best.delimiter, second.delimiter]},
        )
    return best.delimiter


_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "“|”"}


@dataclass
class _Weighed:
    """A delimiter that divides the header, and what the rows say for it."""

    delimiter: str
    titles: int
    header: list[str]
    rows: int = 0
    alike: int = 0
    #: by column: cells that hold a number, and cells that hold anything
    numbers: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, lines: list[str], delimiter: str) -> "_Weighed | None":
        """None if the header is not divided."""
        records = list(split_records(lines, delimiter))
        titles = heading(records)
        header = next((cells for cells in records[titles:] if not is_blank(cells)), [])
        return cls(delimiter, titles, header) if len(header) > 1 else None

    def weigh(self, text: TextIO) -> None:
        """Look at every row."""
        reader = Splitter(text, self.delimiter)
        for _ in range(self.titles):
            reader.record()
        while (cells := reader.record()) is not None and is_blank(cells):
            pass
        width = len(self.header)
        self.numbers, self.filled = [0] * width, [0] * width
        for block in reader.blocks(width):
            table = tabled(block, at=Place(1, 1), width=width)
            self.rows += len(table)
            self.alike += len(table) - len(table.odd)
            for index, column in enumerate(table.columns):
                self.filled[index] += sum(map(bool, column))
                self.numbers[index] += sum(map(is_number, column))

    def score(self) -> tuple[int, float, int]:
        """What counts first comes first."""
        named = any(map(is_phone_name, self.header))
        columns = zip(self.numbers, self.filled, strict=True)
        numbered = any(numbers * 2 > filled for numbers, filled in columns)
        alike = round(self.alike / max(1, self.rows), 3)
        return named + numbered, alike, len(self.header)


def _has_number(cells: Iterable[str]) -> bool:
    return any(map(is_number, cells))
