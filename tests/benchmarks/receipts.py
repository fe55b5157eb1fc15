"""Receipts applied in set-based batches, against one guarded UPDATE for each callback."""

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

import psycopg

from shared.db.session import transaction
from shared.domain.message import RANK
from shared.ledger import callbacks as callback_ledger
from shared.ledger.callbacks import CallbackRow
from tests.benchmarks.row import Row, faster
from tests.benchmarks.world import plain, world
from tests.support import factories
from tests.support.factories import ACCOUNT, change, rows

POLL = timedelta(hours=1)
WORDS = ("sent", "delivered")
TEXTBOOK = """
    CREATE TABLE textbook (id bigint PRIMARY KEY, sid text UNIQUE, status text, rank int);
    INSERT INTO textbook SELECT id, 'SM' || lpad(id::text, 32, '0'), 'accepted', 1 FROM message;
"""
ONE = "UPDATE textbook SET status = %s, rank = %s WHERE sid = %s AND rank < %s"


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Callbacks per second: `sent` and `delivered` of each message, one in twenty twice."""
    count, single = (5_000, 1_000) if quick else (20_000, 3_000)
    with world() as servers, plain(servers) as bare:
        first, *messages = _accepted(rounds * count + 1)
        bare.execute(TEXTBOOK)
        bare.execute("ANALYZE")
        _ours([first])  # small, as a process begins: Postgres keeps plans made for a few rows
        pairs = []
        for n in range(rounds):
            mine = messages[n * count : (n + 1) * count]
            pairs.append((_ours(mine), _one_by_one(bare, mine[: single // len(WORDS)])))
        (delivered,) = rows("SELECT count(*) FROM message WHERE status = 'delivered'")
        assert delivered[0] == len(messages) + 1, "a callback was lost"
    note = "token, rank and SID guarded, ledger of attempts kept; the baseline's rank only"
    return [faster("receipts applied", pairs, unit="callbacks/s", target=20, note=note)]


def _accepted(count: int) -> list[tuple[int, uuid.UUID]]:
    """Messages that the provider has accepted, with the token of their attempt."""
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent)
    factories.messages(campaign, agent, count)
    change(
        "UPDATE message SET status = 'accepted', due_at = NULL, n = 1, attempts = 1, part = 1, "
        "encoding = 'GSM-7', segments = 1, token = gen_random_uuid()"
    )
    change(
        "INSERT INTO attempt (message_id, part, n, token, status, sid, account, claimed_at, "
        "claimed_by, recorded_at, outcome, check_at) SELECT id, 0, 1, token, 'accepted', "
        f"'SM' || lpad(id::text, 32, '0'), '{ACCOUNT}', now(), 'bench', now(), 'accepted', "
        "now() + interval '1 hour' FROM message"
    )
    return [(row.id, row.token) for row in rows("SELECT id, token FROM message ORDER BY id")]


def _ours(messages: Sequence[tuple[int, uuid.UUID]]) -> float:
    callbacks = [
        _callback(message_id, token, word)
        for word in WORDS
        for message_id, token in messages
        for _ in range(2 if message_id % 20 == 0 else 1)
    ]
    for start in range(0, len(callbacks), 1000):
        with transaction() as connection:
            callback_ledger.keep(connection, callbacks[start : start + 1000])
    began = time.perf_counter()
    assert callback_ledger.drain(POLL) == len(callbacks)
    return len(callbacks) / (time.perf_counter() - began)


def _one_by_one(
    bare: "psycopg.Connection[tuple[object, ...]]", messages: Sequence[tuple[int, uuid.UUID]]
) -> float:
    began = time.perf_counter()
    for word in WORDS:
        for message_id, _ in messages:
            changed = bare.execute(ONE, (word, RANK[word] + 1, _sid(message_id), RANK[word] + 1))
            assert changed.rowcount == 1
    return len(messages) * len(WORDS) / (time.perf_counter() - began)


def _callback(message_id: int, token: uuid.UUID, word: str) -> CallbackRow:
    return CallbackRow(
        provider="twilio", message_id=message_id, part=0, token=token, sid=_sid(message_id),
        status=word, rank=RANK[word], error_code=None, raw="MessageStatus=" + word,
        account=ACCOUNT,
    )  # fmt: skip


def _sid(message_id: int) -> str:
    return f"SM{message_id:032d}"
