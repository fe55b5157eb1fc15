"""A campaign file as rows: encoding, delimiter and header found, cells as text, one row at a time.

Row numbers are a spreadsheet's: the header is 1, blank lines count, a record that spans several
lines is one. Blank rows are left out. The columns a reject file added are taken away, and the
apostrophe that guarded a cell there is lifted (`rejects.unguarded`); what it called a duplicate is
a `Returned`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

from scheduler.ingest.columns import (
    CODE_COLUMN,
    OWN_COLUMNS,
    VALUE_COLUMN,
    is_phone_name,
    refuse_twins,
)
from scheduler.ingest.decode import Decoding, survey, text_of
from scheduler.ingest.delimited import (
    Damaged,
    declared_delimiter,
    is_blank,
    likely_delimiter,
    split_records,
)
from scheduler.ingest.rejects import RejectCode, Returned, unguarded
from scheduler.ingest.workbook import is_workbook, sheet_records
from shared.domain.template import key
from shared.errors import Refused

Records = Callable[[], Iterator[list[str]]]


class Rows:
    """The rows of one file. Iterating starts from the top each time and reads as it goes.

    Yields (row number, cells); cells that cannot be told apart are a `Damaged`. `encoding` is the
    name for people, `delimiter` None for a workbook, `suspect` as in `Decoding`, `first` the first
    row's cells. A workbook's rows are of equal width; a CSV's are as they are.
    """

    def __init__(
        self, records: Records, *, filename: str, decoding: Decoding, delimiter: str | None
    ) -> None:
        self.filename = filename
        self.encoding = decoding.name
        self.delimiter = delimiter
        self.suspect = decoding.suspect
        self._guarded = decoding.guarded
        self._records = records
        self._header_row, names = self._find_header()
        self._kept = [i for i, name in enumerate(names) if key(name) not in _OWN_KEYS]
        self._width = len(names)
        keys = [key(name) for name in names]
        own = key(CODE_COLUMN), key(VALUE_COLUMN)
        self._verdict = tuple(map(keys.index, own)) if set(own) <= set(keys) else None
        self.header = tuple(names[index] for index in self._kept)
        refuse_twins(self.header)
        self.first = self._find_first()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        numbered = enumerate(self._records(), 1)
        rows = islice(numbered, self._header_row, None)
        plain = not self._guarded and len(self._kept) == self._width
        for number, cells in rows:
            if not is_blank(cells):
                yield number, (cells if plain else self._restored(cells))

    def _restored(self, cells: list[str]) -> list[str]:
        """As before the row went through a reject file; what is beyond the header stays."""
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
        for number, cells in enumerate(self._records(), 1):
            if not is_blank(cells):
                names = [cell.strip().lstrip("\ufeff") for cell in cells]
                while names and not names[-1]:
                    names.pop()
                return number, names
        raise Refused("empty_file", "The file is empty. Export it again and upload that.")

    def _find_first(self) -> Sequence[str]:
        for _, cells in self:
            return cells
        raise Refused("no_rows", "The file has a header and no rows. Add rows below it.")


_OWN_KEYS = frozenset(map(key, OWN_COLUMNS))


def open_rows(file: BinaryIO, *, filename: str) -> Rows:
    """Find out how to read a seekable `file`; what it is counts, its name does not.

    The file stays the caller's, open while rows are read. Raises Refused empty_file, no_rows,
    not_a_csv, duplicate_columns.
    """
    if is_workbook(file):
        decoding = Decoding("xlsx", "utf-8", suspect=True, guarded=True)
        return Rows(sheet_records(file), filename=filename, decoding=decoding, delimiter=None)
    decoding = survey(file)
    declared, delimiter = _delimiter(file, decoding.codec)

    def records() -> Iterator[list[str]]:
        lines = iter(text_of(file, decoding.codec))
        return split_records(islice(lines, int(declared), None), delimiter)

    return Rows(records, filename=filename, decoding=decoding, delimiter=delimiter)


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
