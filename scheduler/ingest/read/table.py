"""Rows as columns, some thousands at a time: what a column has in common is looked at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Final

from scheduler.ingest.read.delimited import Block, Plain, breaks_in, is_blank
from scheduler.ingest.read.swallowed_rows import may_hold_rows


@dataclass(slots=True)
class Table:
    """Some rows of a file, in its order.

    `columns[c][i]` is a cell of row `numbers[i]`. A row that does not fit (fewer or more cells, a
    Damaged, a Returned) is in `odd` under its index, and its cells in the columns are empty. A row
    that may hold other rows in a cell is in `spanning`, with the line of the file where it begins.
    """

    numbers: list[int]
    columns: list[list[str]]
    odd: dict[int, list[str]]
    spanning: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def cells(self, index: int) -> list[str]:
        """One row as it is in the file."""
        odd = self.odd.get(index)
        return [column[index] for column in self.columns] if odd is None else odd

    def some(self, indexes: Sequence[int]) -> list[list[str]]:
        """These rows as they are in the file."""
        columns = ([column[index] for index in indexes] for column in self.columns)
        fitting = map(list, zip(*columns, strict=True))
        return [self.odd.get(index, cells) for index, cells in zip(indexes, fitting, strict=True)]

    def set_aside(self, index: int, cells: list[str]) -> None:
        """Make the row an odd one."""
        self.odd[index] = cells
        for column in self.columns:
            column[index] = ""

    def part(self, start: int, end: int) -> "Table":
        """The rows from index `start` on, before `end`."""
        odd = {index - start: cells for index, cells in self.odd.items() if start <= index < end}
        spanning = {i - start: line for i, line in self.spanning.items() if start <= i < end}
        columns = [column[start:end] for column in self.columns]
        return Table(self.numbers[start:end], columns, odd, spanning)

    def append(self, other: "Table") -> None:
        """Put another table's rows behind these; both are of one file."""
        start = len(self)
        self.numbers += other.numbers
        for column, more in zip(self.columns, other.columns, strict=True):
            column.extend(more)
        self.odd.update({start + index: cells for index, cells in other.odd.items()})
        self.spanning.update({start + index: line for index, line in other.spanning.items()})


@dataclass(slots=True)
class Place:
    """Where a reader is in its file: the numbers of the row and of the line that come next."""

    row: int
    line: int


def tabled(block: Block, *, at: Place, width: int) -> Table:
    """A block without its blank rows. `at` is where it begins, and then where it ends."""
    first, line = at.row, at.line
    rows = len(block[0]) if isinstance(block, tuple) else len(block)
    at.row += rows
    at.line += rows
    if isinstance(block, tuple):
        return _of_columns(list(block), first)
    spanning: dict[int, int] = {}
    if not isinstance(block, Plain):
        spanning, breaks = _spanning(block, line)
        at.line += breaks
    return _of_records(block, first, width=width, spanning=spanning)


def _spanning(records: list[list[str]], line: int) -> tuple[dict[int, int], int]:
    """The records that may hold others, each with its first line, and the breaks within all.

    `line` is the first record's.
    """
    found: dict[int, int] = {}
    breaks = 0
    for index, cells in enumerate(records):
        if more := breaks_in(cells):
            if may_hold_rows(cells):
                found[index] = line + index + breaks
            breaks += more
    return found, breaks


def _of_records(
    block: list[list[str]], first: int, *, width: int, spanning: dict[int, int]
) -> Table:
    blank = {
        index
        for index, cells in enumerate(block)
        if (len(cells) < 2 or not cells[0].strip()) and is_blank(cells)
    }
    kept = [index for index in range(len(block)) if index not in blank]
    numbers = [first + index for index in kept]
    if spanning:
        spanning = {i: spanning[at] for i, at in enumerate(kept) if at in spanning}
    rows = [cells for index, cells in enumerate(block) if index not in blank]
    nothing = [""] * width
    odd = {
        index: cells
        for index, cells in enumerate(rows)
        if len(cells) != width or type(cells) is not list
    }
    fitting: Iterable[list[str]] = rows
    if odd:
        fitting = (nothing if index in odd else cells for index, cells in enumerate(rows))
    columns = list(map(list, zip(*fitting, strict=True))) or [[] for _ in nothing]
    return Table(numbers, columns, odd, spanning)


def _of_columns(columns: list[list[str]], first: int) -> Table:
    numbers = list(range(first, first + len(columns[0])))
    perhaps_blank = len(columns) == 1 or "" in list(map(str.strip, columns[0]))
    if perhaps_blank:
        keep = [not is_blank(list(cells)) for cells in zip(*columns, strict=True)]
        columns = [list(compress(column, keep)) for column in columns]
        numbers = list(compress(numbers, keep))
    return Table(numbers, columns, {})


#: What the cells of a table may weigh before it is passed on with fewer rows.
HEAVIEST: Final = 8_000_000
#: What a cell weighs beside its characters.
_A_CELL: Final = 16


def _weight(table: Table) -> int:
    rows = chain(table.columns, table.odd.values())
    # Joining is the quickest way to the sum of the cells' lengths: this is done for every file.
    return sum(_A_CELL * len(cells) + len("".join(cells)) for cells in rows)


def sized(tables: Iterable[Table], size: int) -> Iterator[Table]:
    """The same rows, `size` in each table but the last; fewer where they are long."""
    waiting: Table | None = None
    weight = 0
    for table in tables:
        weight += _weight(table)
        if waiting is None:
            waiting = table
        else:
            waiting.append(table)
        whole = len(waiting) - len(waiting) % size
        yield from (waiting.part(start, start + size) for start in range(0, whole, size))
        if whole:
            waiting = waiting.part(whole, len(waiting))
            weight = _weight(waiting)
        if weight > HEAVIEST and waiting:
            yield waiting
            waiting, weight = None, 0
    if waiting:
        yield waiting
