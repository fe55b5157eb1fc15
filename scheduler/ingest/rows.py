"""A campaign file as rows: encoding, delimiter and header found, cells as text, one row at a time.

Row numbers are a spreadsheet's: the header is 1, blank lines count, a record that spans several
lines is one. Blank rows are left out. The columns a reject file added are taken away, and the
apostrophe that guarded a cell there is lifted (`rejects.unguarded`); what it called a duplicate is
a `Returned`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import BinaryIO, Final, Protocol

from scheduler.ingest.columns import (
    CODE_COLUMN,
    ORIGIN_COLUMN,
    OWN_COLUMNS,
    VALUE_COLUMN,
    is_phone_name,
    refuse_twins,
)
from scheduler.ingest.decode import Decoding, survey, text_of
from scheduler.ingest.delimited import (
    Block,
    Damaged,
    Splitter,
    declared_delimiter,
    is_blank,
    likely_delimiter,
)
from scheduler.ingest.rejects import RejectCode, Returned, all_unguarded, unguarded
from scheduler.ingest.table import Table, tabled
from scheduler.ingest.warnings import Warnings
from scheduler.ingest.workbook import Workbook, is_workbook
from shared.domain.template import key
from shared.errors import Refused


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
        delimiter: str | None,
        warnings: Warnings,
        workbook: Workbook | None = None,
    ) -> None:
        self.filename = filename
        self.warnings = warnings
        self._workbook = workbook
        self.place = workbook.place if workbook else ""
        self.encoding = decoding.name
        self.delimiter = delimiter
        self.suspect = decoding.suspect
        self._guarded = decoding.guarded
        self._reader = reader
        #: the files that reject files read so far came from (`rejects.write_rejects`)
        self.origins: set[str] = set()
        self._header_row, names = self._find_header()
        self._span = len(names)
        while names and not names[-1]:
            names.pop()
        self._kept = [i for i, name in enumerate(names) if key(name) not in _OWN_KEYS]
        self._width = len(names)
        keys = [key(name) for name in names]
        own = key(CODE_COLUMN), key(VALUE_COLUMN)
        self._verdict = tuple(map(keys.index, own)) if set(own) <= set(keys) else None
        origin = key(ORIGIN_COLUMN)
        self._origin = keys.index(origin) if origin in keys else None
        self.header = tuple(names[index] for index in self._kept)
        refuse_twins(self.header)
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
        for _ in range(self._header_row):
            reader.record()
        first = self._header_row + 1
        for block in reader.blocks(self._span):
            table, read = tabled(block, first=first, width=self._span)
            first += read
            if self._guarded or len(self._kept) < self._width:
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
        return self._returned(cells, restored) if self._verdict else restored

    def _returned(self, cells: list[str], restored: list[str]) -> list[str]:
        """`restored` as it is, or as a `Returned` where the reject file says duplicate."""
        code, value = self._verdict or (0, 0)
        if len(cells) <= max(code, value):
            return restored
        if cells[code].strip().lower() != RejectCode.DUPLICATE:
            return restored
        returned = Returned(restored)
        returned.value = unguarded(cells[value])
        return returned

    def _find_header(self) -> tuple[int, list[str]]:
        reader = self._reader()
        for number in count(1):
            cells = reader.record()
            if cells is None:
                break
            if not is_blank(cells):
                return number, [cell.strip().lstrip("\ufeff") for cell in cells]
        raise Refused("empty_file", "The file is empty. Export it again and upload that.")

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
    not_a_csv, duplicate_columns, which_sheet, too_many_columns.
    """
    warnings = Warnings()
    if is_workbook(file):
        workbook = Workbook(file, warnings=warnings, include_hidden=reading.include_hidden)
        decoding = Decoding(workbook.kind, "utf-8", suspect=True, guarded=True)
        return Rows(
            workbook.reader,
            filename=filename,
            decoding=decoding,
            delimiter=None,
            warnings=warnings,
            workbook=workbook,
        )
    decoding = survey(file)
    declared, delimiter = _delimiter(file, decoding.codec)

    def reader() -> Splitter:
        text = text_of(file, decoding.codec)
        if declared:
            text.readline()
        return Splitter(text, delimiter)

    return Rows(
        reader, filename=filename, decoding=decoding, delimiter=delimiter, warnings=warnings
    )


_SAMPLE_LINES = 300


def _delimiter(file: BinaryIO, codec: str) -> tuple[bool, str]:
    """Whether the first line declares the delimiter, and the delimiter."""
    with text_of(file, codec) as text:
        first = text.readline()
        declared = declared_delimiter(first.lstrip("\ufeff"))
        if declared:
            return True, declared
        sample = list(islice(chain([first], text), _SAMPLE_LINES))
    return False, likely_delimiter(sample, is_phone_name)
