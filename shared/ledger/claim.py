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

from shared.domain.wording import part_of
from shared.ledger.sender_limits import CHOICE, TODAY, TOMORROW, pool_of

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
    #: its sender has a limit per second: a slot that is missed must be asked for anew
    paced: bool = False
    #: the account that the attempt says it is called with; a call with another must not be made
    account: str | None = None


_ENTER = text("""
    SELECT pg_advisory_xact_lock_shared(:gate), EXISTS (
        SELECT 1 FROM sender_limit
        WHERE segments_per_second IS NOT NULL OR segments_per_day IS NOT NULL) AS limits
""")

_WITHOUT_LIMITS = """
    judged AS MATERIALIZED (
        SELECT fit.*, fitness AS verdict, false AS is_full, false AS paced, NULL::text AS pays
        FROM fit
    )
"""
# What a day may still carry is locked in the order of numbers, and last of all: two claims that
# speak from the same senders decide one after the other, each on what the other has left.
_WITH_LIMITS = f"""
    day AS MATERIALIZED (
        SELECT number, segments_per_day AS most, CASE WHEN day >= {TODAY} THEN used ELSE 0 END AS
        used FROM sender_limit
        WHERE segments_per_day IS NOT NULL
          AND number IN (SELECT new_sender FROM fit WHERE fitness = 'sending' AND part = 0)
        ORDER BY number FOR UPDATE
    ), paid AS (
        -- A text pays for all its parts with its first, and none is begun that the day cannot end.
        SELECT f.*, day.most, day.used, paced.number IS NOT NULL AS paced,
            CASE WHEN fitness = 'sending' AND part = 0 THEN day.number END AS pays,
            fitness = 'sending' AND part = 0 AND day.used + segments > day.most IS TRUE AS is_full,
            CASE WHEN fitness = 'sending' AND paced.number IS NOT NULL
                 AND (:unasked OR sender IS DISTINCT FROM new_sender) THEN 'waits'
                 ELSE fitness END AS opinion
        FROM fit f LEFT JOIN day ON day.number = f.new_sender
        LEFT JOIN sender_limit paced ON paced.number = f.new_sender
            AND paced.segments_per_second IS NOT NULL
    ), judged AS MATERIALIZED (
        -- What the others of this claim have left too little for looks again at once.
        SELECT paid.*, CASE
            WHEN opinion <> 'sending' OR pays IS NULL THEN opinion
            WHEN is_full THEN 'held'
            WHEN most < used + sum(segments) FILTER (WHERE opinion = 'sending' AND NOT is_full)
                OVER (PARTITION BY pays ORDER BY id) THEN 'waits'
            ELSE 'sending' END AS verdict
        FROM paid
    ), charged AS (
        UPDATE sender_limit u SET day = greatest(u.day, {TODAY}), used = g.used + g.taken,
            full_on = CASE WHEN g.is_full THEN greatest(u.day, {TODAY}) ELSE u.full_on END
        FROM (
            SELECT pays, min(used) AS used, bool_or(is_full) AS is_full,
                   coalesce(sum(segments) FILTER (WHERE verdict = 'sending'), 0) AS taken
            FROM judged WHERE pays IS NOT NULL GROUP BY pays
        ) g WHERE u.number = g.pays
    )
"""
_SHAPE = f"""
    WITH hint AS (
        -- A release that came twice is one hint: two would break the claims of all the others.
        SELECT DISTINCT ON (id, due) * FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[]),
            CAST(:tokens AS uuid[])) AS h(id, due, token)
    ), locked AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.agent_key, m.recipient_id, m.part, m.n, m.sender,
               greatest(m.segments, 1) AS segments, hint.token
        FROM hint JOIN message m ON m.id = hint.id
        WHERE m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    ), pool AS MATERIALIZED ({pool_of("SELECT agent_key FROM locked")}
    ), fit AS (
        SELECT l.*, r.phone, {CHOICE} AS new_sender,
            CASE WHEN a.credentials IS NULL THEN coalesce(CAST(:platform AS text), a.account)
                 ELSE a.account END AS account,
            CASE WHEN c.status = 'cancelled' THEN 'cancelled'
                 WHEN s.phone IS NOT NULL THEN 'suppressed'
                 WHEN c.send_before <= now() THEN 'expired'
                 -- A question of its own: joined, Postgres takes a table that nobody analyzes for
                 -- a thousand rows, and reads all messages to update a few.
                 WHEN c.status <> 'running' OR a.status <> 'active'
                      OR (SELECT stopped_at IS NOT NULL FROM control) THEN 'waits'
                 WHEN h.until IS NOT NULL THEN 'held'
                 -- A text that was begun has paid its day for all its parts.
                 WHEN p.numbers IS NULL AND p.any_spent THEN
                 CASE WHEN l.part = 0 THEN 'held' ELSE 'sending' END
                 WHEN p.numbers IS NULL AND a.messaging_service_sid IS NULL
                      AND c.settings #>> '{{options,messaging_service_sid}}' IS NULL THEN 'held'
                 ELSE 'sending' END AS fitness,
            coalesce(h.until, CASE WHEN p.all_spent THEN {TOMORROW} END, now() + interval '60 s')
            AS until
        FROM locked l
        JOIN recipient r ON r.id = l.recipient_id
        JOIN campaign c ON c.id = l.campaign_id
        JOIN agent a ON a.key = l.agent_key
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
    ), {{judged}}, moved AS (
        UPDATE message m SET
            status = CASE WHEN j.verdict IN ('waits', 'held') THEN 'ready' ELSE j.verdict END,
            -- A text that was begun goes before those that were not.
            due_at = CASE WHEN j.verdict = 'waits' AND j.part > 0 THEN m.created_at
                          WHEN j.verdict = 'waits' THEN now()
                          WHEN j.is_full THEN {TOMORROW}
                          WHEN j.verdict = 'held' THEN j.until END,
            n = m.n + (j.verdict = 'sending')::int,
            attempts = m.attempts + (j.verdict = 'sending')::int,
            token = CASE WHEN j.verdict = 'sending' THEN j.token ELSE m.token END,
            sender = CASE WHEN j.verdict = 'sending' THEN j.new_sender ELSE m.sender END
        FROM judged j WHERE m.id = j.id
        -- All that is needed further on, so that nothing is joined to it again: the planner knows
        -- nothing of the size of these lists, and would compare every row with every other.
        RETURNING j.verdict, m.id, m.campaign_id, m.agent_key, m.part, m.n, j.token, j.phone,
                  j.new_sender, j.account, j.paced, j.pays, j.segments, m.body, m.cuts
    ), tried AS (
        INSERT INTO attempt (message_id, part, n, token, account, sender, claimed_at, claimed_by,
                             check_at, charged)
        SELECT id, part, n, token, account, new_sender, clock_timestamp(), :by,
               clock_timestamp() + :reconcile_after, CASE WHEN pays IS NOT NULL THEN segments END
        FROM moved WHERE verdict = 'sending'
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT id, verdict, jsonb_build_object('by', 'claim') FROM moved
        WHERE verdict IN ('suppressed', 'expired', 'cancelled')
    )
    SELECT verdict, id, campaign_id, agent_key, part, token, phone, new_sender, account, paced,
           body, cuts
    FROM moved
    UNION ALL
    -- An earlier try of this very claim committed, and its answer was lost with the connection.
    SELECT 'sending', m.id, m.campaign_id, m.agent_key, m.part, m.token, r.phone, m.sender,
           (SELECT account FROM attempt WHERE message_id = m.id AND token = m.token),
           EXISTS (SELECT 1 FROM sender_limit WHERE number = m.sender
                   AND segments_per_second IS NOT NULL), m.body, m.cuts
    FROM (SELECT DISTINCT id, token FROM hint) AS asked
    JOIN message m ON m.id = asked.id AND m.token = asked.token
    JOIN recipient r ON r.id = m.recipient_id WHERE m.status = 'sending'
    ORDER BY 2
"""
_CLAIM = text(_SHAPE.replace("{judged}", _WITHOUT_LIMITS.strip()))
_LIMITED = text(_SHAPE.replace("{judged}", _WITH_LIMITS.strip()))


def claim(  # noqa: PLR0913  (all that a claim is judged and marked by)
    connection: Connection,
    hints: Sequence[tuple[int, int]],
    *,
    by: str,
    reconcile_after: timedelta,
    tokens: Mapping[int, uuid.UUID] | None = None,
    unasked: bool = False,
    platform: str | None = None,
) -> tuple[list[Claimed], list[tuple[int, str]]]:
    """Claim what is still due under these hints: (message id, the `due_at` the hint wrote).

    Returns the claimed, and (message id, verdict) of those refused. Ids in neither belong to
    somebody else. `tokens` by message id are for callers that may have to ask again after a commit
    whose answer was lost: under the same tokens they get the same claims. With `unasked` no slot
    was reserved for them: what needs one of its sender waits to be hinted. `platform` is the
    account that the caller uses for agents without one of their own, which the settings of another
    process may name otherwise; None: the one that is kept with the agent.
    """
    tokens = tokens or {}
    limited = connection.execute(_ENTER, {"gate": GATE}).one().limits
    found = connection.execute(
        _LIMITED if limited else _CLAIM,
        {
            "ids": [message_id for message_id, _ in hints],
            "dues": [due for _, due in hints],
            "tokens": [tokens.get(message_id) or uuid.uuid4() for message_id, _ in hints],
            "by": by,
            "reconcile_after": reconcile_after,
            "platform": platform,
        }
        | ({"unasked": unasked} if limited else {}),
    ).fetchall()
    claimed = [_claimed(row) for row in found if row.verdict == "sending"]
    refused = [(row.id, row.verdict) for row in found if row.verdict != "sending"]
    return claimed, refused


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(
        message_id=row.id,
        campaign_id=row.campaign_id,
        agent_key=row.agent_key,
        part=row.part,
        token=row.token,
        phone=row.phone,
        sender=row.new_sender,
        text=part_of(row.body, row.cuts, row.part),
        parts=len(row.cuts) + 1,
        paced=row.paced,
        account=row.account,
    )
