"""Stores an import's chunks: one transaction each, while the next is made.

Two are written at once, since a COPY keeps one core of the server busy; they are committed in the
file's order.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, cast

from psycopg.errors import UniqueViolation
from sqlalchemy import Connection

from scheduler.ingest import uploads
from scheduler.ingest.load.copy_text import RECIPIENTS, REJECTS
from shared.db.session import transaction
from shared.ledger.imported import MESSAGES
from shared.opaque import Json

#: Chunks that are stored at once.
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Lines:
    """A chunk in COPY's text format. `through` is the number of the last row read."""

    through: int
    recipients: bytes
    messages: bytes
    rejects: bytes


class Store:
    """Takes chunks from the importer and stores them on threads of its own.

    A chunk is stored only right behind its predecessor, which the database itself checks: one that
    failed stops all that follow, and whoever resumes finds no gap.
    """

    def __init__(self, job: uploads.ImportJob, *, lease: timedelta) -> None:
        self._job = job
        self._lease = lease
        self._through = job.loaded_row
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="import")
        self._last: Future[None] | None = None
        self._stored: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while self._stored and kind is None:
                self._stored.popleft().result()
        finally:
            self._threads.shutdown(cancel_futures=True)

    def put(self, lines: Lines, *, progress: Json) -> None:
        """Store these next. `progress` is the report on everything up to them.

        Waits while others wait; raises what storing one of them raised, LeaseLost for one.
        """
        while len(self._stored) >= _AT_ONCE:
            self._stored.popleft().result()
        after, self._through = self._through, lines.through
        self._last = self._threads.submit(self._store, lines, after, progress, self._last)
        self._stored.append(self._last)

    def _store(self, lines: Lines, after: int, progress: Json, before: Future[None] | None) -> None:
        with transaction() as connection:
            try:
                copy(connection, RECIPIENTS, lines.recipients)
                copy(connection, MESSAGES, lines.messages)
                copy(connection, REJECTS, lines.rejects)
            except UniqueViolation as error:  # the very rows are there
                raise uploads.LeaseLost("another import has loaded them") from error
            if before is not None:
                before.result()
            uploads.renew(
                connection, self._job, after=after, through=lines.through, lease=self._lease
            )
            uploads.tell(connection, self._job, progress)


def copy(connection: Connection, statement: str, lines: bytes) -> None:
    """Run a COPY … FROM STDIN with these lines."""
    if not lines:
        return
    raw = cast(Any, connection.connection.driver_connection)
    with raw.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(lines)
