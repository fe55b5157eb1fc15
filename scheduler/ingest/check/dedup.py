"""Which number was accepted in which row, in bounded memory for files of any size."""

import sqlite3
from array import array
from collections.abc import Collection, Sequence
from itertools import islice
from operator import ne
from types import TracebackType
from typing import Final, Self

#: Numbers that share a value of the map: where among all to look for one's row.
_SPAN: Final = 256
_SLICE: Final = 25_000
_PARAMETERS: Final = 900  # SQLite takes 999 at least


class Seen:
    """A map from number (E.164 digits as an int) to row: in memory first, then in a scratch file.

    In memory it takes about 85 bytes an entry. Beyond `in_memory` they go to a temporary SQLite
    file with a small cache, which is exact and slower: a million rows take no more memory than a
    quarter of them. The file has no name, so it is gone with this process, however that ends.
    """

    def __init__(self, *, in_memory: int = 250_000) -> None:
        # An int of its own for each row would cost as much as its number: so the map says only
        # which 256 of the two arrays hold them.
        self._recent: dict[int, int] = {}
        self._numbers, self._rows = array("q"), array("q")
        self._limit = in_memory
        self._older: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def row_of(self, number: int) -> int | None:
        """The row `number` was accepted in, if any."""
        return self._rows_of([number]).get(number)

    def claim(self, numbers: Sequence[int], rows: Sequence[int]) -> dict[int, int]:
        """Remember that these numbers are accepted in these rows, but for those that were before.

        Returns the places of the latter, each with the row its number was accepted in first.
        """
        firsts: dict[int, int] = {}
        own = list(map(firsts.setdefault, numbers, rows))
        former = self._rows_of(firsts.keys())
        if not former:
            self._add(firsts)
            repeated = map(ne, own, rows)
            return {place: own[place] for place, again in enumerate(repeated) if again}
        self._add({number: row for number, row in firsts.items() if number not in former})
        firsts |= former
        return {
            place: firsts[number]
            for place, (number, row) in enumerate(zip(numbers, rows, strict=True))
            if firsts[number] != row
        }

    def close(self) -> None:
        """Forget everything and let go of the scratch file. Safe to call twice."""
        self._forget_recent()
        if self._older is not None:
            self._older.close()
            self._older = None

    def _rows_of(self, numbers: Collection[int]) -> dict[int, int]:
        found = {}
        for number in self._recent.keys() & numbers:
            at = self._numbers.index(number, self._recent[number] * _SPAN)
            found[number] = self._rows[at]
        if self._older is not None:
            left = iter(sorted(numbers))
            while some := list(islice(left, _PARAMETERS)):
                marks = ",".join("?" * len(some))
                found |= self._older.execute(
                    f"SELECT number, row FROM seen WHERE number IN ({marks})", some
                ).fetchall()
        return found

    def _add(self, fresh: dict[int, int]) -> None:
        numbers = list(fresh)
        at = len(self._numbers)
        self._numbers.extend(array("q", numbers))
        self._rows.extend(fresh.values())
        done = 0
        while done < len(numbers):
            room = _SPAN - (at + done) % _SPAN
            span = (at + done) // _SPAN
            self._recent.update(dict.fromkeys(numbers[done : done + room], span))
            done += room
        if len(self._recent) >= self._limit:
            self._spill()

    def _spill(self) -> None:
        if self._older is None:
            # SQLite's own temporary file: it is unlinked as soon as it is open.
            self._older = sqlite3.connect("", isolation_level=None)
            self._older.execute("PRAGMA journal_mode = OFF")
            self._older.execute("PRAGMA synchronous = OFF")
            self._older.execute("PRAGMA cache_size = -12288")
            self._older.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY, row INTEGER)")
        self._older.execute("BEGIN")
        for start in range(0, len(self._numbers), _SLICE):
            end = start + _SLICE
            ordered = sorted(zip(self._numbers[start:end], self._rows[start:end], strict=True))
            self._older.executemany("INSERT INTO seen VALUES (?, ?)", ordered)
        self._older.execute("COMMIT")
        self._forget_recent()

    def _forget_recent(self) -> None:
        self._recent.clear()
        del self._numbers[:], self._rows[:]
