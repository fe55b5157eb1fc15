"""What a message costs the ledger in a campaign of a million, against one of ten thousand.

The whole life in the database: hint, claim, the worker's record, two callbacks, through the same
functions that the processes call. CPU of this process and of Postgres.
"""

import os
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text

from shared.db.session import engine, retried, transaction
from shared.domain.message import RANK
from shared.ledger import callbacks as callback_ledger
from shared.ledger import due, evidence
from shared.ledger.callbacks import CallbackRow
from shared.ledger.claim import claim
from shared.ledger.evidence import Evidence
from shared.throttle.redis_client import redis
from tests.benchmarks.processes import cpu_of_tree
from tests.benchmarks.row import Row, within
from tests.benchmarks.world import world
from tests.support import factories
from tests.support.factories import ACCOUNT, rows

AGENTS, BATCH = 100, 500
POLL, STALE = timedelta(hours=1), timedelta(seconds=300)
_FILL = (
    text("""
    INSERT INTO recipient (id, campaign_id, row, phone, country, fields)
    SELECT i, :campaign, i, '+1' || (2000000000 + i), 1, '{"name": "Ana"}'
    FROM generate_series(1, CAST(:count AS int)) i
"""),
    text("""
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, due_at, body, encoding,
                         segments)
    SELECT i, :campaign, (CAST(:agents AS int[]))[1 + i % :many], i, 'ready', now(),
           'Hi Ana, your appointment is on Monday at ten. Reply STOP to opt out.', 'GSM-7', 1
    FROM generate_series(1, CAST(:count AS int)) i
"""),
)


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Microseconds of CPU per message."""
    small, large, each = (5_000, 50_000, 2_500) if quick else (10_000, 1_000_000, 8_000)
    pairs = []
    for _ in range(1 if quick else min(rounds, 3)):
        base, _ = life(small, each)
        grown, queue = life(large, each)
        pairs.append((grown, base))
    note = f"{large:,} recipients against {small:,}; Redis holds {queue} keys"
    return [within("growth, CPU per message", pairs, unit="µs/message", most=1.15, note=note)]


def life(recipients: int, messages: int) -> tuple[float, int]:
    """CPU µs of a whole life in the ledger; keys in Redis at the end."""
    with world():
        agents = [factories.agent(f"agent-{n}", senders=1) for n in range(AGENTS)]
        campaign = factories.campaign(*agents)
        values = {"campaign": campaign, "count": recipients, "agents": agents, "many": AGENTS}
        for statement in _FILL:
            with transaction() as connection:
                connection.execute(statement, values)
        with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")
        # Small first, as a process begins: Postgres keeps plans that it made for a few rows.
        first = _some(campaign, agents[:1], each=1) + _some(campaign, agents)
        time.sleep(1)
        before = sum(cpu_of_tree(os.getpid()).values())
        done = 0
        while done < messages:
            done += _some(campaign, agents)
        spent = sum(cpu_of_tree(os.getpid()).values()) - before
        ((delivered,),) = rows("SELECT count(*) FROM message WHERE status = 'delivered'")
        assert delivered == done + first, "a message has no end"
        return spent / done * 1e6, redis().dbsize()


def _some(campaign: int, agents: Sequence[int], *, each: int = BATCH // AGENTS) -> int:
    """One batch from `ready` to `delivered`."""
    wants = [(campaign, agent, each) for agent in agents]
    hints = retried(lambda connection: due.hint(connection, wants, stale=STALE))
    pairs = [(hint.message_id, hint.due) for hint in hints]
    claimed, refused = retried(
        lambda connection: claim(connection, pairs, by="bench", reconcile_after=POLL)
    )
    assert len(claimed) == each * len(agents) and not refused
    told = [Evidence(c.message_id, c.token, _sid(c.token), "accepted") for c in claimed]
    retried(lambda connection: evidence.apply(connection, told, poll_after=POLL))
    for word in ("sent", "delivered"):
        callbacks = [_callback(c.message_id, c.token, word) for c in claimed]
        retried(lambda connection: callback_ledger.keep(connection, callbacks))  # noqa: B023
        assert callback_ledger.drain(POLL) == len(claimed)
    return len(claimed)


def _callback(message_id: int, token: uuid.UUID, word: str) -> CallbackRow:
    return CallbackRow(
        provider="twilio", message_id=message_id, part=0, token=token, sid=_sid(token),
        status=word, rank=RANK[word], error_code=None, raw="MessageStatus=" + word,
        account=ACCOUNT,
    )  # fmt: skip


def _sid(token: uuid.UUID) -> str:
    return f"SM{token.hex}"
