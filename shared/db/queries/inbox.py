"""The inbox of callbacks: kept raw before the answer, applied in batches afterwards."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from shared import metrics
from shared.db.queries import evidence
from shared.db.queries.evidence import Evidence, Failure
from shared.db.session import retried


@dataclass(frozen=True, slots=True)
class Kept:
    """One genuine callback, as the edge stores it."""

    provider: str
    message_id: int | None
    part: int | None
    token: uuid.UUID | None
    sid: str | None
    #: our word, or the provider's own where we have none
    status: str
    #: 0 for a word that says nothing about the message's life
    rank: int
    error_code: int | None
    raw: str


_COPY = """
    COPY callback (provider, message_id, part, token, sid, status, rank, error_code, raw) FROM STDIN
"""
_TAKE = text("""
    WITH waiting AS MATERIALIZED (
        SELECT seq FROM callback WHERE NOT applied ORDER BY seq LIMIT :size FOR UPDATE SKIP LOCKED
    )
    UPDATE callback c SET applied = true FROM waiting w WHERE c.seq = w.seq
    RETURNING c.seq, c.message_id, c.token, c.sid, c.status, c.rank, c.error_code
""")


def keep(connection: Connection, callbacks: Sequence[Kept]) -> None:
    """Store callbacks; durable when the transaction has committed."""
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        for kept in callbacks:
            copy.write_row(
                (
                    kept.provider,
                    kept.message_id,
                    kept.part,
                    kept.token,
                    kept.sid,
                    kept.status,
                    kept.rank,
                    kept.error_code,
                    kept.raw,
                )
            )


BATCH = 1000


#: What else follows from failures that callbacks told of, in the same transaction.
React = Callable[[Connection, Sequence[Failure]], None]


def drain(poll_after: timedelta, *, react: React) -> int:
    """Apply all waiting callbacks; returns how many. Rows taken by another drain are left to it."""
    total = 0
    while True:
        taken = _drain_some(BATCH, poll_after, react)
        total += taken
        if taken < BATCH:
            return total


def _drain_some(size: int, poll_after: timedelta, react: React) -> int:
    try:
        taken = retried(partial(apply_waiting, size=size, poll_after=poll_after, react=react))
    except IntegrityError:
        # A SID was bound elsewhere in the same instant: one at a time, the next look sees it.
        if size == 1:
            raise
        return sum(_drain_some(1, poll_after, react) for _ in range(size))
    metrics.receipts.inc(taken)
    return taken


def apply_waiting(connection: Connection, size: int, poll_after: timedelta, react: React) -> int:
    """Apply up to `size` waiting callbacks in the order they came; returns how many were taken."""
    taken = sorted(connection.execute(_TAKE, {"size": size}).fetchall())
    speaking = [
        Evidence(
            message_id=row.message_id,
            token=row.token,
            sid=row.sid,
            status=row.status,
            error_code=row.error_code,
        )
        for row in taken
        if row.rank > 0 and row.message_id is not None and row.token is not None
    ]
    applied = evidence.apply(connection, speaking, poll_after=poll_after)
    react(connection, applied.failures)
    return len(taken)
