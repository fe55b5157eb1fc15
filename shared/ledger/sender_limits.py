"""What a number may send: which limits hold, who speaks with which, what is left of the day.

A number's limits are the tightest that any agent gives it; `sender_limit` keeps them, and what the
day has used. An installation without limits has no row there, and pays nothing. The day is the
carriers': see shared.domain.carrier_day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.domain.segments import measure
from shared.domain.wording import part_of
from shared.ledger.due import Hint

#: Agents' senders are changed one after the other, or the tightest limit would be missed.
_LIMITS = 0x4C494D49


@dataclass(frozen=True, slots=True)
class PacedHint(Hint):
    """A hinted message with what it will ask of its sender."""

    part: int
    sender: str | None
    #: segments per second; None where its sender has no such limit
    limit: float | None
    #: of the part that comes next
    segments: int


_PACED = text("""
    SELECT s.agent_key, s.number, l.segments_per_second AS per_second
    FROM sender s LEFT JOIN sender_limit l ON l.number = s.number
    WHERE s.agent_key IN (
        SELECT paced.agent_key FROM sender_limit JOIN sender paced USING (number)
        WHERE sender_limit.segments_per_second IS NOT NULL)
""")
# The sender is written with the hint: the claim keeps it, or refuses what has not asked it.
_HINT = text("""
    WITH want AS (
        SELECT *
        FROM unnest(CAST(:campaigns AS int[]), CAST(:agents AS int[]), CAST(:counts AS int[]))
            AS w(campaign_id, agent_key, n)
    ), due AS MATERIALIZED (
        SELECT m.id FROM want w CROSS JOIN LATERAL (
            SELECT id FROM message
            WHERE campaign_id = w.campaign_id AND agent_key = w.agent_key AND due_at <= now()
            ORDER BY due_at, id LIMIT w.n FOR UPDATE SKIP LOCKED
        ) m
    ), hinted AS (
        -- By key and row by row: the planner cannot know how few LIMIT leaves.
        UPDATE message l SET due_at = now() + :stale, sender = coalesce((
            -- As the claim chooses: the sender it has, as long as that may speak; else the same
            -- person is dealt the same number each time.
            SELECT CASE
                WHEN l.sender IS NOT NULL AND (l.part > 0 OR l.sender = ANY (p.numbers))
                THEN l.sender
                ELSE p.numbers[1 + ltrim(r.phone, '+')::bigint % cardinality(p.numbers)] END
            FROM recipient r CROSS JOIN LATERAL (
                SELECT array_agg(s.number ORDER BY s.key)
                           FILTER (WHERE h.id IS NULL AND u.number IS NULL) AS numbers
                FROM sender s
                LEFT JOIN hold h ON h.agent_key = s.agent_key AND h.scope = 'sender'
                    AND h.subject = s.number AND h.lifted_at IS NULL
                    AND (h.until IS NULL OR h.until > now())
                LEFT JOIN sender_limit u ON u.number = s.number
                    AND u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                    AND u.used >= u.segments_per_day
                WHERE s.agent_key = l.agent_key
                GROUP BY s.agent_key
            ) p WHERE r.id = l.recipient_id
        ), l.sender)
        WHERE l.id = ANY (ARRAY(SELECT id FROM due))
        RETURNING l.campaign_id, l.agent_key, l.id, l.due_at, l.part, l.segments, l.sender,
                  CASE WHEN cardinality(l.cuts) > 0 THEN l.body END AS body, l.cuts
    )
    SELECT h.campaign_id, h.agent_key, h.id,
           (extract(epoch FROM h.due_at) * 1000000)::bigint AS due, h.part, h.sender,
           limits.segments_per_second, h.segments, h.body, h.cuts,
           coalesce((c.settings #>> '{options,smart_encoded}')::bool, false) AS smart_encoded
    FROM hinted h JOIN campaign c ON c.id = h.campaign_id
    LEFT JOIN sender_limit limits ON limits.number = h.sender
""")
_REST = text("""
    WITH mine AS MATERIALIZED (
        SELECT m.id, h.after FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[]),
            CAST(:afters AS float[])) AS h(id, due, after)
        JOIN message m ON m.id = h.id
        WHERE m.due_at = timestamptz 'epoch' + h.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    )
    UPDATE message SET due_at = coalesce(now() + mine.after * interval '1 second', created_at)
    FROM mine WHERE message.id = mine.id
""")


def paced(connection: Connection) -> dict[int, dict[str, float | None]]:
    """Agents that have a sender with a limit per second: key → all its numbers, with their limits.

    A limit is in segments per second, None for a number without one.
    """
    found: dict[int, dict[str, float | None]] = {}
    for row in connection.execute(_PACED):
        found.setdefault(row.agent_key, {})[row.number] = row.per_second
    return found


def hint(
    connection: Connection, wants: Sequence[tuple[int, int, int]], *, stale: timedelta
) -> list[PacedHint]:
    """As `lanes.hint`, and choose the senders. Parts that continue a text come first."""
    campaigns, agents, counts = (list(column) for column in zip(*wants, strict=True))
    parameters = {"campaigns": campaigns, "agents": agents, "counts": counts, "stale": stale}
    found = [_hinted(row) for row in connection.execute(_HINT, parameters)]
    return sorted(found, key=lambda h: (h.part == 0, h.message_id))


def rest(connection: Connection, hints: Sequence[tuple[int, int, float | None]]) -> int:
    """Take hints (message id, `due_at` in µs) back: due again after so many seconds, behind what
    is due already; or with None at once, before it.
    """
    ids, dues, afters = (list(column) for column in zip(*hints, strict=True))
    return connection.execute(_REST, {"ids": ids, "dues": dues, "afters": afters}).rowcount


def _hinted(row: Row[Any]) -> PacedHint:
    segments = row.segments
    if row.cuts:
        part = part_of(row.body, row.cuts, row.part)
        segments = measure(part, smart_encoding=row.smart_encoded).segments
    return PacedHint(
        campaign_id=row.campaign_id,
        agent_key=row.agent_key,
        message_id=row.id,
        due=row.due,
        part=row.part,
        sender=row.sender,
        limit=row.segments_per_second,
        segments=max(1, segments),
    )


_ALONE = text("SELECT pg_advisory_xact_lock(:key)")
_WAITING = text("""
    SELECT DISTINCT s.agent_key FROM sender_limit l JOIN sender s USING (number)
    WHERE (s.agent_key = :key OR s.number = ANY (CAST(:numbers AS text[])))
      AND l.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
      AND l.segments_per_day IS NOT NULL
      AND (l.used >= l.segments_per_day OR l.full_on >= l.day)
    ORDER BY s.agent_key
""")
_LIMIT = text("""
    INSERT INTO sender_limit (number, segments_per_second, segments_per_day)
    SELECT number, min(segments_per_second), min(segments_per_day) FROM sender
    WHERE number = ANY (CAST(:numbers AS text[])) GROUP BY number
    HAVING count(segments_per_second) > 0 OR count(segments_per_day) > 0 ORDER BY number
    ON CONFLICT (number) DO UPDATE SET segments_per_second = excluded.segments_per_second,
        segments_per_day = excluded.segments_per_day, full_on = NULL
""")
# The row stays: a limit that is given back on the same day goes on with that day's count.
_UNLIMIT = text("""
    UPDATE sender_limit SET segments_per_second = NULL, segments_per_day = NULL, full_on = NULL
    WHERE number = ANY (CAST(:numbers AS text[])) AND NOT EXISTS (
        SELECT 1 FROM sender s WHERE s.number = sender_limit.number
          AND (s.segments_per_second IS NOT NULL OR s.segments_per_day IS NOT NULL))
""")


def lock(connection: Connection) -> None:
    """Nobody else changes senders until the end of the transaction."""
    connection.execute(_ALONE, {"key": _LIMITS})


def waiting(connection: Connection, agent_key: int, numbers: Sequence[str]) -> list[int]:
    """Agents with messages that may wait for the next day: for this agent's senders, or `numbers`.

    Keys, in order.
    """
    found = connection.execute(_WAITING, {"key": agent_key, "numbers": list(numbers)})
    return list(found.scalars())


def settle(connection: Connection, numbers: Sequence[str]) -> None:
    """Work out anew what holds for these numbers: some agent's senders have changed.

    Under `lock`; after everything that locks messages, as claims take these rows last.
    """
    connection.execute(_LIMIT, {"numbers": list(numbers)})
    connection.execute(_UNLIMIT, {"numbers": list(numbers)})
