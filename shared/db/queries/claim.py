"""The claim: ready → sending under a new token, judged against everything that may have changed.

One statement for all messages whose slots come now. What it refuses is settled in the same
transaction; rows that are no longer ready under this hint belong to somebody else.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

#: Claims hold it shared, a pause holds it alone while it commits: after the answer to a pause no
#: claim that had not seen it can still commit.
GATE = 0x47415445


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, under `token`."""

    message_id: int
    campaign_id: int
    agent_key: int
    part: int
    token: uuid.UUID
    phone: str
    sender: str | None
    text: str
    parts: int


_ENTER = text("SELECT pg_advisory_xact_lock_shared(:gate)")

_CLAIM = text("""
    WITH hint AS (
        -- A release that came twice is one hint: two would break the claims of all the others.
        SELECT DISTINCT ON (id, due) * FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[]),
            CAST(:tokens AS uuid[])) AS h(id, due, token)
    ), locked AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.agent_key, m.recipient_id, m.part, m.n, m.sender, hint.token
        FROM hint JOIN message m ON m.id = hint.id
        WHERE m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    ), pool AS MATERIALIZED (
        SELECT s.agent_key, array_agg(s.number ORDER BY s.key) AS numbers FROM sender s
        WHERE s.agent_key IN (SELECT agent_key FROM locked) AND NOT EXISTS (
            SELECT 1 FROM hold WHERE hold.agent_key = s.agent_key AND scope = 'sender'
              AND subject = s.number AND lifted_at IS NULL AND (until IS NULL OR until > now()))
        GROUP BY s.agent_key
    ), judged AS MATERIALIZED (
        SELECT l.*, r.phone,
            CASE WHEN l.sender IS NOT NULL AND (l.part > 0 OR l.sender = ANY (p.numbers)) THEN
            l.sender ELSE p.numbers[1 + ltrim(r.phone, '+')::bigint % cardinality(p.numbers)]
            END AS new_sender,
            CASE WHEN c.status = 'cancelled' THEN 'cancelled'
                 WHEN s.phone IS NOT NULL THEN 'suppressed'
                 WHEN c.send_before <= now() THEN 'expired'
                 WHEN c.status <> 'running' OR a.status <> 'active' OR control.stopped_at IS NOT
                 NULL THEN 'waits'
                 WHEN h.until IS NOT NULL THEN 'held'
                 WHEN p.numbers IS NULL AND a.messaging_service_sid IS NULL
                      AND c.settings #>> '{options,messaging_service_sid}' IS NULL THEN 'held'
                 ELSE 'sending' END AS verdict,
            coalesce(h.until, now() + interval '60 s') AS until
        FROM locked l
        JOIN recipient r ON r.id = l.recipient_id
        JOIN campaign c ON c.id = l.campaign_id
        JOIN agent a ON a.key = l.agent_key
        CROSS JOIN control
        LEFT JOIN pool p ON p.agent_key = l.agent_key
        LEFT JOIN LATERAL (
            SELECT phone FROM suppression WHERE suppression.phone = r.phone AND scope = 'all'
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT max(coalesce(until, now() + interval '5 min')) AS until FROM hold
            WHERE hold.agent_key = l.agent_key AND lifted_at IS NULL
              AND (until IS NULL OR until > now())
              AND (scope IN ('agent', 'account') OR (scope = 'country' AND subject =
              r.country::text) OR (scope = 'sender' AND l.part > 0 AND subject = l.sender))
        ) h ON true
    ), moved AS (
        UPDATE message m SET
            status = CASE WHEN j.verdict IN ('waits', 'held') THEN 'ready' ELSE j.verdict END,
            due_at = CASE j.verdict WHEN 'waits' THEN now() WHEN 'held' THEN j.until END,
            n = m.n + (j.verdict = 'sending')::int,
            attempts = m.attempts + (j.verdict = 'sending')::int,
            token = CASE WHEN j.verdict = 'sending' THEN j.token ELSE m.token END,
            sender = CASE WHEN j.verdict = 'sending' THEN j.new_sender ELSE m.sender END
        FROM judged j WHERE m.id = j.id
        RETURNING m.id, m.body, m.cuts, m.n
    ), tried AS (
        INSERT INTO attempt (message_id, part, n, token, sender, claimed_at, claimed_by, check_at)
        SELECT j.id, j.part, moved.n, j.token, j.new_sender, clock_timestamp(), :by,
               clock_timestamp() + :reconcile_after
        FROM judged j JOIN moved USING (id) WHERE j.verdict = 'sending'
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT id, verdict, jsonb_build_object('by', 'claim') FROM judged
        WHERE verdict IN ('suppressed', 'expired', 'cancelled')
    )
    SELECT j.verdict, j.id, j.campaign_id, j.agent_key, j.part, j.token, j.phone, j.new_sender,
           moved.body, moved.cuts
    FROM judged j JOIN moved USING (id)
    UNION ALL
    -- An earlier try of this very claim committed, and its answer was lost with the connection.
    SELECT 'sending', m.id, m.campaign_id, m.agent_key, m.part, m.token, r.phone, m.sender,
           m.body, m.cuts
    FROM (SELECT DISTINCT id, token FROM hint) AS asked
    JOIN message m ON m.id = asked.id AND m.token = asked.token
    JOIN recipient r ON r.id = m.recipient_id WHERE m.status = 'sending'
    ORDER BY 2
""")


def claim(
    connection: Connection,
    hints: Sequence[tuple[int, int]],
    *,
    by: str,
    reconcile_after: timedelta,
    tokens: Mapping[int, uuid.UUID] | None = None,
) -> tuple[list[Claimed], list[tuple[int, str]]]:
    """Claim what is still due under these hints: (message id, the `due_at` the hint wrote).

    Returns the claimed, and (message id, verdict) of those refused. Ids in neither belong to
    somebody else. `tokens` by message id are for callers that may have to ask again after a commit
    whose answer was lost: under the same tokens they get the same claims.
    """
    tokens = tokens or {}
    connection.execute(_ENTER, {"gate": GATE})
    found = connection.execute(
        _CLAIM,
        {
            "ids": [message_id for message_id, _ in hints],
            "dues": [due for _, due in hints],
            "tokens": [tokens.get(message_id) or uuid.uuid4() for message_id, _ in hints],
            "by": by,
            "reconcile_after": reconcile_after,
        },
    ).fetchall()
    claimed = [_claimed(row) for row in found if row.verdict == "sending"]
    refused = [(row.id, row.verdict) for row in found if row.verdict != "sending"]
    return claimed, refused


def _claimed(row: Row[Any]) -> Claimed:
    cuts = [0, *row.cuts, len(row.body)]
    return Claimed(
        message_id=row.id,
        campaign_id=row.campaign_id,
        agent_key=row.agent_key,
        part=row.part,
        token=row.token,
        phone=row.phone,
        sender=row.new_sender,
        text=row.body[cuts[row.part] : cuts[row.part + 1]],
        parts=len(row.cuts) + 1,
    )
