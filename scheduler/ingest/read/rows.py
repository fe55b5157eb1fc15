"""A campaign file as rows: encoding, delimiter and header found, cells as text, one row at a time.

Row numbers are a spreadsheet's: the header is 1, blank lines count, a record that spans several
lines is one. Blank rows are left out. Of a reject file the columns that were added are taken away,
the apostrophe that guards a cell there is lifted (`rejects.unguarded`), and what it called a
duplicate is a `Returned`. Any other file's cells stay as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, Protocol

from scheduler.ingest.read.byte_tally import Decoding
from scheduler.ingest.read.columns import (
    CODE_COLUMN,
    ORIGIN_COLUMN,
    OWN_COLUMNS,
    VALUE_COLUMN,
)
from scheduler.ingest.read.delimited import (
    Block,
    Damaged,
    Splitter,
    breaks_in,
    is_blank,
)
from scheduler.ingest.read.encoding import survey, text_of
from scheduler.ingest.read.header import refuse_header, refuse_origins
from scheduler.ingest.read.layout import Layout, layout_of
from scheduler.ingest.read.table import Place, Table, tabled
from scheduler.ingest.read.warnings import Warnings
from scheduler.ingest.read.workbook import Workbook, is_workbook
from scheduler.ingest.rejects import RejectCode, Returned, all_unguarded, unguarded
from shared.domain.template import key
from shared.errors import Refused
from shared.legible import legible


@dataclass(frozen=True, slots=True)
class Reading:
    """What the operator said about a file; None where it is to be found out.

    `encoding` is a codec's name, `delimiter` one of `DELIMITERS`; `include_hidden` takes in the
    rows that a workbook hides or filters away.
    """

    encoding: str | None = None
    delimiter: str | None = None
    include_hidden: bool = False


AS_FOUND: Final = Reading()
_TITLE_SHOWN: Final = 60


class Reader(Protocol):
    """Reads a file from its start: a record at a time, or everything else in blocks."""

    def record(self) -> list[str] | None: ...
    def blocks(self, width: int) -> Iterator[Block]: ...


class Rows:
    """The rows of one file. Iterating starts from the top each time and reads as it goes.

    Yields (row number, cells); cells that cannot be told apart are a `Damaged`. `encoding` is the
    name for people, `delimiter` None for a workbook, `suspect` as in `Decoding`, `first` the first
    row's cells. A workbook's rows are of equal width; a CSV's are as they are. `warnings` collects
    what is doubtful, `hidden_rows` counts the workbook's rows left out so far.
    """

    def __init__(
        self,
        reader: Callable[[], Reader],
        *,
        filename: str,
        decoding: Decoding,
        layout: Layout,
        warnings: Warnings,
        workbook: Workbook | None = None,
    ) -> None:
        """`reader` leaves out a declaring line, and gives the titles above the header."""
        self.filename = filename
        self.warnings = warnings
        self._workbook = workbook
        self.place = workbook.place if workbook else ""
        self.encoding = decoding.name
        self.delimiter = layout.delimiter or None
        self.suspect = decoding.suspect
        self._reader = reader
        #: the files that reject files read so far came from (`rejects.write_rejects`)
        self.origins: set[str] = set()
        self._start = Place(1, 1 + layout.declared)
        names = self._find_header(layout.titles)
        self._span = len(names)
        while names and not names[-1]:
            names.pop()
        self._kept = [i for i, name in enumerate(names) if key(name) not in _OWN_KEYS]
        self._width = len(names)
        self._returned = len(self._kept) < self._width
        if self._returned:
            names = list(map(unguarded, names))
        keys = [key(name) for name in names]
        own = key(CODE_COLUMN), key(VALUE_COLUMN)
        self._verdict = tuple(map(keys.index, own)) if set(own) <= set(keys) else None
        origin = key(ORIGIN_COLUMN)
        self._origin = keys.index(origin) if origin in keys else None
        self.header = tuple(names[index] for index in self._kept)
        self.first = self._find_first()

    @property
    def hidden_rows(self) -> int:
        """How many of the rows read so far the workbook hides."""
        return self._workbook.hidden if self._workbook else 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for table in self.tables():
            for index, number in enumerate(table.numbers):
                yield number, table.cells(index)

    def tables(self) -> Iterator[Table]:
        """The rows as columns, some thousands at a time."""
        reader = self._reader()
        for _ in range(1, self._start.row):
            reader.record()
        at = replace(self._start)
        for block in reader.blocks(self._span):
            table = tabled(block, at=at, width=self._span)
            if self._returned:
                self._restore(table)
            yield table

    def _restore(self, table: Table) -> None:
        """As before the rows went through a reject file."""
        self._note_origins(table)
        for index in self._duplicates(table):
            table.set_aside(index, table.cells(index))
        for index, cells in table.odd.items():
            table.odd[index] = self._restored(cells)
        kept = [*self._kept, *range(self._width, self._span)]
        table.columns = [all_unguarded(table.columns[index]) for index in kept]

    def _note_origins(self, table: Table) -> None:
        at = self._origin
        if at is not None:
            self.origins.update(map(str.strip, table.columns[at]))
            self.origins.update(cells[at].strip() for cells in table.odd.values() if cells[at:])
            self.origins.discard("")
            refuse_origins(self.origins)

    def _duplicates(self, table: Table) -> list[int]:
        """The rows that fit, and are duplicates to their reject file."""
        if self._verdict is None:
            return []
        codes = table.columns[self._verdict[0]]
        if RejectCode.DUPLICATE not in "\n".join(codes).lower():
            return []
        return [i for i, code in enumerate(codes) if code.strip().lower() == RejectCode.DUPLICATE]

    def _restored(self, cells: list[str]) -> list[str]:
        """One row, as before; what is beyond the header stays."""
        width, kept, restored = self._width, self._kept, cells
        if len(kept) < width:
            beyond = cells[width:]
            restored = [cells[index] for index in kept if index < len(cells)] + beyond
        if isinstance(cells, Damaged):
            return Damaged(restored)
        restored = list(map(unguarded, restored))
        return self._as_returned(cells, restored) if self._verdict else restored

    def _as_returned(self, cells: list[str], restored: list[str]) -> list[str]:
        """`restored` as it is, or as a `Returned` where the reject file says duplicate."""
        code, value = self._verdict or (0, 0)
        if len(cells) <= max(code, value):
            return restored
        if cells[code].strip().lower() != RejectCode.DUPLICATE:
            return restored
        returned = Returned(restored)
        returned.value = unguarded(cells[value])
        return returned

    def _find_header(self, titles: int) -> list[str]:
        """The columns' names. Rows start behind them."""
        reader = self._reader()
        while (cells := reader.record()) is not None:
            self._start.row += 1
            self._start.line += 1 + breaks_in(cells)
            if is_blank(cells):
                continue
            if self._start.row - 1 <= titles:
                self._warn_of_title(cells)
            else:
                refuse_header(cells)
                return [cell.strip().lstrip("\ufeff") for cell in cells]
        raise Refused("empty_file", "The file is empty. Export it again and upload that.")

    def _warn_of_title(self, cells: list[str]) -> None:
        title = legible(" ".join(" ".join(cells).split()))
        self.warnings.add(
            "title_row",
            f"“{title[:_TITLE_SHOWN]}” stands above the header and is left out.",
            fix="Delete it if it is a title; if it is a row, put the header above it.",
            row=self._start.row - 1,
        )

    def _find_first(self) -> Sequence[str]:
        for _, cells in self:
            return cells
        if self.hidden_rows:
            raise Refused(
                "no_rows",
                "The workbook hides or filters away all its rows. Show those to text, or take the "
                "hidden ones in (include_hidden).",
            )
        raise Refused("no_rows", "The file has a header and no rows. Add rows below it.")


_OWN_KEYS = frozenset(map(key, (*OWN_COLUMNS, ORIGIN_COLUMN)))


def open_rows(file: BinaryIO, *, filename: str, reading: Reading = AS_FOUND) -> Rows:
    """Find out how to read a seekable `file`; what it is counts, its name does not.

    What `reading` says overrules what would be found.

    The file stays the caller's, open while rows are read. Raises Refused empty_file, no_rows,
    not_a_csv, open_quote, unclear_delimiter, unclear_encoding, unknown_encoding, which_sheet,
    too_many_columns, unreadable_header.
    """
    warnings = Warnings()
    if is_workbook(file):
        workbook = Workbook(file, warnings=warnings, include_hidden=reading.include_hidden)
        decoding = Decoding(workbook.kind, "utf-8", suspect=True)
        return Rows(
            workbook.reader,
            filename=filename,
            decoding=decoding,
            layout=Layout(""),
            warnings=warnings,
            workbook=workbook,
        )
    decoding = survey(file, encoding=reading.encoding, warnings=warnings)
    layout = layout_of(lambda: text_of(file, decoding.codec), delimiter=reading.delimiter)

    def reader() -> Splitter:
        text = text_of(file, decoding.codec)
        if layout.declared:
            text.readline()
        return Splitter(text, layout.delimiter)

    return Rows(
        reader,
        filename=filename,
        decoding=decoding,
        layout=layout,
        warnings=warnings,
    )
