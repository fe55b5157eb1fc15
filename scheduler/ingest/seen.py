"""Which number was accepted in which row, in bounded memory for files of any size."""

import sqlite3
import tempfile
from types import TracebackType
from typing import Self


class Seen:
    """A map from number (E.164 digits as an int) to row: in memory first, then in a scratch file.

    A million entries take about 110 MB of memory. Beyond `in_memory` they go to a temporary SQLite
    file, which is exact and slower, and is gone when the map is closed.
    """

    def __init__(self, *, in_memory: int = 1_000_000) -> None:
        self._recent: dict[int, int] = {}
        self._limit = in_memory
        self._older: sqlite3.Connection | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

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
        row = self._recent.get(number)
        if row is None and self._older is not None:
            found = self._older.execute(
                "SELECT row FROM seen WHERE number = ?", (number,)
            ).fetchone()
            return found[0] if found else None
        return row

    def add(self, number: int, row: int) -> None:
        """Remember that `number` was accepted in `row`; it must not be in the map yet."""
        self._recent[number] = row
        if len(self._recent) >= self._limit:
            self._spill()

    def close(self) -> None:
        """Forget everything and remove the scratch file. Safe to call twice."""
        self._recent.clear()
        if self._older is not None:
            self._older.close()
            self._older = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _spill(self) -> None:
        if self._older is None:
            self._directory = tempfile.TemporaryDirectory(prefix="volley-")
            self._older = sqlite3.connect(
                f"{self._directory.name}/seen.sqlite", isolation_level=None
            )
            self._older.execute("PRAGMA journal_mode = OFF")
            self._older.execute("PRAGMA synchronous = OFF")
            self._older.execute("PRAGMA cache_size = -65536")
            self._older.execute("CREATE TABLE seen (number INTEGER PRIMARY KEY, row INTEGER)")
        self._older.execute("BEGIN")
        ordered = ((number, self._recent[number]) for number in sorted(self._recent))
        self._older.executemany("INSERT INTO seen VALUES (?, ?)", ordered)
        self._older.execute("COMMIT")
        self._recent.clear()
