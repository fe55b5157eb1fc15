"""What the dispatcher asks: which lanes run, and which rows of theirs are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from shared.ledger.shards import ALL, SHARDS


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A running campaign on one active agent."""

    campaign_id: int
    agent_key: int
    account: str
    rate: float
    priority: int


@dataclass(frozen=True, slots=True)
class Hint:
    """A due message whose `due_at` was pushed forward: (microseconds since the epoch) it now is."""

    campaign_id: int
    agent_key: int
    message_id: int
    due: int


_WITH_WORK = text("""
    SELECT l.campaign_id, l.agent_key, a.account,
           CASE WHEN a.next_rate_at <= now() THEN a.next_rate ELSE a.rate END AS rate, c.priority
    FROM lane l
    JOIN campaign c ON c.id = l.campaign_id
    JOIN agent a ON a.key = l.agent_key
    WHERE c.status = 'running' AND a.status = 'active'
      AND l.agent_key % :of = ANY (CAST(:shards AS int[]))
      AND (SELECT stopped_at IS NULL FROM control)
      AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.agent_key = a.key AND lifted_at IS NULL
                      AND scope IN ('agent', 'account') AND (until IS NULL OR until > now()))
      AND EXISTS (SELECT 1 FROM message m WHERE m.campaign_id = l.campaign_id
                  AND m.agent_key = l.agent_key AND m.due_at <= now())
    ORDER BY l.campaign_id, l.agent_key
""")

# The hint writes only `due_at`: a lost one comes back by itself when the time has passed, and the
# scan never reads the same rows twice. SKIP LOCKED: it waits for nobody, so it cannot deadlock.
_HINT = text("""
    WITH want AS (
        SELECT *
        FROM unnest(CAST(:campaigns AS int[]), CAST(:agents AS int[]), CAST(:counts AS int[]))
            AS w(campaign_id, agent_key, n)
    ), due AS MATERIALIZED (
        SELECT m.id
        FROM want w CROSS JOIN LATERAL (
            SELECT id FROM message
            WHERE campaign_id = w.campaign_id AND agent_key = w.agent_key AND due_at <= now()
            ORDER BY due_at, id LIMIT w.n FOR UPDATE SKIP LOCKED
        ) m
    )
    -- By key, not by join: the planner cannot know how few LIMIT leaves, and reads the whole table.
    UPDATE message SET due_at = now() + :stale
    WHERE message.id = ANY (ARRAY(SELECT id FROM due))
    RETURNING message.campaign_id, message.agent_key, message.id,
              (extract(epoch FROM message.due_at) * 1000000)::bigint AS due
""")


def with_work(connection: Connection, shards: frozenset[int] = ALL) -> list[LaneRow]:
    """All lanes of agents in these shards that may send now and have something due: one index
    probe each.
    """
    parameters = {"of": SHARDS, "shards": sorted(shards)}
    return [LaneRow(*row) for row in connection.execute(_WITH_WORK, parameters)]


def hint(
    connection: Connection, wants: Sequence[tuple[int, int, int]], *, stale: timedelta
) -> list[Hint]:
    """Take up to n due rows of each (campaign, agent, n), and let them rest for `stale`."""
    if not wants:
        return []
    campaigns, agents, counts = (list(column) for column in zip(*wants, strict=True))
    parameters = {"campaigns": campaigns, "agents": agents, "counts": counts, "stale": stale}
    found = [Hint(*row) for row in connection.execute(_HINT, parameters)]
    return sorted(found, key=lambda h: h.message_id)


_UNCOMPOSED = text("""
    WITH due AS MATERIALIZED (
        SELECT m.id FROM campaign c CROSS JOIN LATERAL (
            SELECT id FROM message WHERE campaign_id = c.id AND compose_at <= now()
            ORDER BY compose_at, id LIMIT :per_campaign FOR UPDATE SKIP LOCKED
        ) m WHERE c.status = 'running'
    )
    UPDATE message SET compose_at = now() + :lease WHERE id = ANY (ARRAY(SELECT id FROM due))
    RETURNING id
""")


def uncomposed(connection: Connection, *, per_campaign: int, lease: timedelta) -> list[int]:
    """Lease planned messages of running campaigns to be composed; the lease comes back by
    itself.
    """
    parameters = {"per_campaign": per_campaign, "lease": lease}
    return sorted(row.id for row in connection.execute(_UNCOMPOSED, parameters))


_STILL_UNCOMPOSED = text("""
    WITH mine AS MATERIALIZED (
        SELECT id FROM message WHERE id = ANY (CAST(:ids AS bigint[])) AND compose_at IS NOT NULL
        ORDER BY id FOR UPDATE
    )
    UPDATE message SET compose_at = now() FROM mine WHERE message.id = mine.id
""")


def still_uncomposed(connection: Connection, ids: Sequence[int]) -> int:
    """Give leases back: these rows may be composed at once, if they have not been since."""
    return connection.execute(_STILL_UNCOMPOSED, {"ids": list(ids)}).rowcount


_UNHINT = text("""
    WITH mine AS MATERIALIZED (
        SELECT m.id FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[])) AS h(id, due)
        JOIN message m ON m.id = h.id
        WHERE m.due_at = timestamptz 'epoch' + h.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    )
    UPDATE message SET due_at = now() FROM mine WHERE message.id = mine.id
""")


def unhint(connection: Connection, hints: Sequence[tuple[int, int]]) -> int:
    """Take hints back: these rows are due at once, if nobody decided otherwise since."""
    parameters = {"ids": [h[0] for h in hints], "dues": [h[1] for h in hints]}
    return connection.execute(_UNHINT, parameters).rowcount
