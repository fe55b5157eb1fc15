"""Rows to text, as columns: a campaign of a million has no object for each."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple


class Accepted(NamedTuple):
    """A row to text. `fields` has every named column, the phone's in E.164, blanks trimmed.

    `cuts` are the offsets in `body` (in characters) where its further parts begin; `segments` is
    what all parts are billed. Without a template `body` is None, `encoding` "" and `segments` 0.
    """

    row: int
    phone: str
    fields: dict[str, str]
    body: str | None
    encoding: str
    segments: int
    cuts: tuple[int, ...]


@dataclass(slots=True)
class AcceptedRows:
    """Some accepted rows, in the file's order; each is an `Accepted` when it is asked for.

    The lists are of one length; `cuts` has only rows of several parts, by row number. `names` are
    the columns' names, "" for one that has none and is left out.
    """

    names: Sequence[str]
    rows: list[int]
    phones: list[str]
    columns: list[list[str]]
    bodies: list[str] | None
    encodings: list[str]
    segments: list[int]
    cuts: dict[int, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Accepted]:
        return map(self.__getitem__, range(len(self.rows)))

    def __getitem__(self, index: int) -> Accepted:
        row = self.rows[index]
        values = [column[index] for column in self.columns]
        fields = dict(zip(self.names, values, strict=True))
        fields.pop("", None)
        return Accepted(
            row=row,
            phone=self.phones[index],
            fields=fields,
            body=None if self.bodies is None else self.bodies[index],
            encoding=self.encodings[index],
            segments=self.segments[index],
            cuts=self.cuts.get(row, ()),
        )

    def cells(self, indexes: Collection[int]) -> list[list[str]]:
        """These rows' values, "" in columns that have no name."""
        columns = (
            [column[index] if name else "" for index in indexes]
            for name, column in zip(self.names, self.columns, strict=True)
        )
        return list(map(list, zip(*columns, strict=True)))

    def without(self, indexes: Iterable[int]) -> "AcceptedRows":
        """All but these."""
        keep = bytearray(b"\1" * len(self))
        for index in indexes:
            keep[index] = 0
        return AcceptedRows(
            names=self.names,
            rows=list(compress(self.rows, keep)),
            phones=list(compress(self.phones, keep)),
            columns=[list(compress(column, keep)) for column in self.columns],
            bodies=None if self.bodies is None else list(compress(self.bodies, keep)),
            encodings=list(compress(self.encodings, keep)),
            segments=list(compress(self.segments, keep)),
            cuts=self.cuts,
        )

    def behind(self, row: int) -> "AcceptedRows":
        """Those that come after that row of the file."""
        if not self.rows or self.rows[0] > row:
            return self
        return self.without(range(bisect_right(self.rows, row)))
