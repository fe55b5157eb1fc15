"""The inbox of callbacks: kept raw before the answer, applied in batches afterwards."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from shared import metrics
from shared.db.session import engine, retried
from shared.domain.message import RANK
from shared.ledger import evidence, late_failures
from shared.providers.accounts import account_name
from shared.providers.base import Receipt

#: What the columns of the inbox can hold.
_SMALLINT: Final = 1 << 15
_INTEGER: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """One genuine callback as a row of the inbox."""

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
    #: the account whose token signed it
    account: str


def row_of(receipt: Receipt) -> CallbackRow:
    """As it is stored. What no column can hold is nothing of ours, and must not stop its group."""
    return CallbackRow(
        provider=receipt.provider,
        message_id=receipt.message_id,
        part=_below(_SMALLINT, receipt.part),
        token=receipt.token,
        sid=_storable(receipt.sid) or None,
        status=_storable(receipt.status or receipt.provider_status),
        rank=RANK.get(receipt.status or "", 0),
        error_code=_below(_INTEGER, receipt.error_code),
        raw=_storable(receipt.raw),
        account=account_name(receipt.provider, receipt.account),
    )


def _below(limit: int, number: int | None) -> int | None:
    return number if number is not None and number < limit else None


def _storable(text: str) -> str:
    """Without NUL and lone surrogates (JSON can spell both): Postgres takes neither."""
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


@dataclass(frozen=True, slots=True)
class Taken:
    """Waiting callbacks that this transaction holds."""

    count: int
    #: an array of their ctids, as Postgres writes it; None when there are none
    places: str | None
    #: the `seq` of those that carry an error code
    coded: list[int]


_COPY = """
    COPY callback (provider, message_id, part, token, sid, status, rank, error_code, raw, account)
    FROM STDIN
"""
_VALUES = attrgetter(
    "provider", "message_id", "part", "token", "sid", "status", "rank", "error_code", "raw",
    "account",
)  # fmt: skip
# The planner, left to itself, may read whole tables for a batch: cheap while they are small.
_BY_INDEX = text("""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true)
""")
# What waits and its messages, both held, the messages in id order: whoever changes a message's
# attempts holds the message. A statement of its own: one that waits for a lock still sees the
# attempts as they were before.
_TAKE = text("""
    WITH waiting AS MATERIALIZED (
        SELECT ctid, seq, message_id, token, rank, error_code FROM callback WHERE NOT applied
        ORDER BY seq LIMIT :size FOR UPDATE SKIP LOCKED
    ), held AS MATERIALIZED (
        SELECT id FROM message WHERE id = ANY (ARRAY(
            SELECT message_id FROM waiting WHERE rank > 0 AND token IS NOT NULL))
        ORDER BY id FOR UPDATE
    )
    SELECT count(*) AS taken, CAST(array_agg(ctid) AS text) AS places,
        array_agg(seq) FILTER (WHERE error_code IS NOT NULL) AS coded,
        (SELECT count(*) FROM held) AS held
    FROM waiting
""")


_WAITING = text("SELECT EXISTS (SELECT 1 FROM callback WHERE NOT applied)")


def waiting(connection: Connection) -> bool:
    """Whether there is anything to drain: a look that costs a quarter of a drain."""
    return bool(connection.execute(_WAITING).scalar_one())


def keep(connection: Connection, callbacks: Sequence[CallbackRow]) -> None:
    """Store callbacks; durable when the transaction has committed."""
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in callbacks:
            copy.write_row(_VALUES(row))


class Writer:
    """Keeps group after group on a connection of its own. For one thread.

    Each group is one COPY that commits by itself: half the round trips of a transaction around it.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def keep(self, callbacks: Sequence[CallbackRow]) -> None:
        """Durable when it returns. After an error, whatever it was, the connection is a new one."""
        if self._connection is None:
            connection = engine().connect()
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            keep(self._connection, callbacks)
        except BaseException:
            self._connection.invalidate()
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


BATCH = 4000


def drain(poll_after: timedelta) -> int:
    """Apply all waiting callbacks; returns how many. Rows taken by another drain are left to it."""
    total = 0
    while True:
        taken = _drain_some(BATCH, poll_after)
        total += taken
        if taken < BATCH:
            return total


def _drain_some(size: int, poll_after: timedelta) -> int:
    try:
        taken = retried(partial(apply_waiting, size=size, poll_after=poll_after))
    except IntegrityError:
        # A SID was bound elsewhere in the same instant, or twice here: in halves, down to that one;
        # the next look sees it.
        if size == 1:
            raise
        half = size // 2
        return sum(_drain_some(part, poll_after) for part in (half, size - half))
    metrics.receipts.inc(taken)
    return taken


def apply_waiting(connection: Connection, size: int, poll_after: timedelta) -> int:
    """Apply up to `size` waiting callbacks in the order they came, and what follows from failures
    that they tell of; returns how many were taken.
    """
    taken = take(connection, size)
    if taken.places:
        applied = evidence.apply_kept(
            connection, taken.places, coded=taken.coded, poll_after=poll_after
        )
        if applied.failures:
            late_failures.react(connection, applied.failures)
    return taken.count


def take(connection: Connection, size: int) -> Taken:
    """Hold up to `size` waiting callbacks, the first that came, and the messages they speak of."""
    connection.execute(_BY_INDEX)
    found = connection.execute(_TAKE, {"size": size}).one()
    return Taken(count=found.taken, places=found.places, coded=found.coded or [])
