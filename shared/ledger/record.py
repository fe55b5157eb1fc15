"""The record: what the worker learnt from its call, under the token it claimed with.

Guarded by the token: a worker that was given up for dead changes nothing any more. What was
accepted is evidence (see evidence.py); here are the other three outcomes.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.ledger import parts

#: Outcomes of calls that may have gone: these count, the others are free.
PROVED_NOT_GONE = "proved not gone"
RESENT = "resent without proof (ON_UNKNOWN=resend)"
#: After this many calls that may have gone and were proved not to have, nobody tries any more.
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Return:
    """A message that provably did not go: back to ready, or to what it has become meanwhile."""

    message_id: int
    token: uuid.UUID
    #: in words, for the timeline: not written, throttled, fence, too late, proved not gone …
    outcome: str
    #: seconds until it may be due again
    after: float = 0.0
    error_code: int | None = None
    sentence: str | None = None
    #: a call that may have gone and was proved not to have counts; the others are free
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message the provider refused for good."""

    message_id: int
    token: uuid.UUID
    sentence: str
    error_code: int | None = None
    http_status: int | None = None
    #: the refusal says that this number must not be texted (an opt-out we had not heard of)
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """A call whose outcome nobody saw. It stays `sending`; evidence decides."""

    message_id: int
    token: uuid.UUID
    sentence: str
    error_code: int | None = None
    http_status: int | None = None


_RETURN = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]),
            CAST(:outcomes AS text[]), CAST(:afters AS float[]), CAST(:codes AS int[]),
            CAST(:sentences AS text[]), CAST(:counts AS bool[]))
            AS g(message_id, token, outcome, after, code, sentence, counts)
    ), held AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.recipient_id, m.status AS former, g.*
        FROM given g JOIN message m ON m.id = g.message_id
        WHERE m.token = g.token AND m.status IN ('sending', 'unknown')
    ), open AS MATERIALIZED (
        SELECT held.*, a.part, a.n FROM held
        JOIN attempt a ON a.message_id = held.id AND a.token = held.token
        WHERE a.status IN ('sending', 'unknown')
    ), given_back AS (
        UPDATE attempt a SET status = 'returned', outcome = o.outcome, error_code = o.code,
            error_message = o.sentence, recorded_at = clock_timestamp(), check_at = NULL
        FROM open o WHERE a.message_id = o.id AND a.part = o.part AND a.n = o.n
        RETURNING a.sender, a.charged, a.outcome, a.claimed_at
    ), refund AS MATERIALIZED (
        SELECT u.number, sum(g.charged) AS segments FROM given_back g
        JOIN sender_limit u ON u.number = g.sender
            AND u.day = (g.claimed_at AT TIME ZONE 'America/Los_Angeles')::date
        WHERE g.charged IS NOT NULL AND g.outcome <> :resent GROUP BY u.number
    ), refunded AS MATERIALIZED (
        SELECT number FROM sender_limit WHERE number IN (SELECT number FROM refund)
        ORDER BY number FOR UPDATE
    ), uncharged AS (
        UPDATE sender_limit u SET used = greatest(0, u.used - r.segments)
        FROM refund r JOIN refunded USING (number) WHERE u.number = r.number
    ), judged AS (
        SELECT o.*, CASE
            WHEN c.status = 'cancelled' THEN 'cancelled'
            WHEN EXISTS (SELECT 1 FROM suppression s JOIN recipient r ON r.phone = s.phone
                         WHERE r.id = o.recipient_id AND s.scope = 'all') THEN 'suppressed'
            WHEN c.send_before <= now() THEN 'expired'
            WHEN o.counts AND :most <= 1 + (
                SELECT count(*) FROM attempt b WHERE b.message_id = o.id AND b.part = o.part
                AND b.n < o.n AND b.status = 'returned'
                AND b.outcome = ANY (CAST(:counted AS text[]))
            ) THEN 'failed'
            ELSE 'ready' END AS verdict
        FROM open o JOIN campaign c ON c.id = o.campaign_id
    )
    UPDATE message m SET status = j.verdict,
        due_at = CASE WHEN j.verdict = 'ready' THEN now() + j.after * interval '1 second' END,
        attempts = m.attempts - (NOT j.counts)::int,
        error_code = j.code, error_message = j.sentence
    FROM judged j WHERE m.id = j.id
    RETURNING m.id, m.status, m.campaign_id, j.former = 'unknown' AS parked,
        EXISTS (SELECT 1 FROM attempt b WHERE b.message_id = m.id
                AND b.status NOT IN ('sending', 'returned', 'unknown')) AS went_before
""")

_STATUSES = text(
    "SELECT id, status FROM message WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id"
)

_REFUSE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]),
            CAST(:sentences AS text[]), CAST(:codes AS int[]), CAST(:https AS int[]),
            CAST(:suppress AS bool[]))
            AS g(message_id, token, sentence, code, http, suppress)
    ), held AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.recipient_id, m.status AS former, g.*
        FROM given g JOIN message m ON m.id = g.message_id
        WHERE m.token = g.token AND m.status IN ('sending', 'unknown')
    ), open AS MATERIALIZED (
        SELECT held.*, a.part, a.n FROM held
        JOIN attempt a ON a.message_id = held.id AND a.token = held.token
        WHERE a.status IN ('sending', 'unknown')
    ), ended AS (
        UPDATE attempt a SET status = 'failed', outcome = 'rejected', error_code = o.code,
            error_message = o.sentence, http_status = o.http, recorded_at = clock_timestamp(),
            check_at = NULL
        FROM open o WHERE a.message_id = o.id AND a.part = o.part AND a.n = o.n
    ), opted_out AS (
        INSERT INTO suppression (phone, scope, reason, source)
        SELECT DISTINCT r.phone, 'all', o.sentence, 'provider'
        FROM open o JOIN recipient r ON r.id = o.recipient_id WHERE o.suppress ORDER BY r.phone
        ON CONFLICT DO NOTHING
    )
    UPDATE message m SET status = 'failed', error_code = o.code, error_message = o.sentence
    FROM open o WHERE m.id = o.id
    RETURNING m.id
""")

# What was seen is kept as an event too: a verdict writes over the attempt's own words.
_DOUBT = text("""
    WITH seen AS (
        UPDATE attempt a SET outcome = 'ambiguous', error_code = g.code, error_message = g.sentence,
            http_status = g.http, recorded_at = clock_timestamp()
        FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sentences AS text[]),
            CAST(:codes AS int[]), CAST(:https AS int[]))
            AS g(message_id, token, sentence, code, http)
        WHERE a.message_id = g.message_id AND a.token = g.token AND a.status = 'sending'
          AND a.outcome IS DISTINCT FROM 'ambiguous'
        RETURNING a.message_id, a.part, a.n, a.error_message, a.error_code, a.http_status
    )
    INSERT INTO event (message_id, kind, details)
    SELECT message_id, 'ambiguous', jsonb_build_object(
        'part', part, 'attempt', n, 'text', error_message, 'error_code', error_code,
        'http_status', http_status)
    FROM seen
""")

_UNKNOWN = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]))
            AS g(message_id, token)
    ), held AS MATERIALIZED (
        SELECT m.id, m.token FROM given g JOIN message m ON m.id = g.message_id
        WHERE m.token = g.token AND m.status = 'sending'
    ), parked AS (
        UPDATE attempt a SET status = 'unknown', check_at = NULL
        FROM held WHERE a.message_id = held.id AND a.token = held.token AND a.status = 'sending'
        RETURNING a.message_id, a.part, a.n
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT message_id, 'unknown', jsonb_build_object(
            'part', part, 'attempt', n, 'text',
            'it may have gone: no callback, not listed, and no proof that it did not')
        FROM parked
    )
    UPDATE message m SET status = 'unknown',
        error_message = 'it may have gone: no callback, not listed, and no proof that it did not'
    FROM parked WHERE m.id = parked.message_id RETURNING m.id
""")


def give_back(connection: Connection, returns: Sequence[Return]) -> list[tuple[int, str]]:
    """Take messages out of `sending` that provably did not go; returns (id, what it became).

    If an earlier call for a message has gone after all, the message takes that call's evidence and
    is not sent again.
    """
    if not returns:
        return []
    parts.lock(connection, [r.message_id for r in returns])
    found = connection.execute(
        _RETURN,
        {
            "ids": [r.message_id for r in returns],
            "tokens": [r.token for r in returns],
            "outcomes": [r.outcome for r in returns],
            "afters": [r.after for r in returns],
            "codes": [r.error_code for r in returns],
            "sentences": [r.sentence for r in returns],
            "counts": [r.counts for r in returns],
            "most": MOST_ATTEMPTS,
            "counted": [PROVED_NOT_GONE, RESENT],
            "resent": RESENT,
        },
    ).fetchall()
    parts.run_again(connection, {r.campaign_id for r in found if r.parked and r.status == "ready"})
    settled = [row.id for row in found if row.went_before]
    parts.settle(connection, settled)
    return [(row.id, row.status) for row in found] if not settled else _read(connection, found)


def _read(connection: Connection, rows: Sequence[Row[Any]]) -> list[tuple[int, str]]:
    ids = {"ids": [row.id for row in rows]}
    return [(row.id, row.status) for row in connection.execute(_STATUSES, ids)]


def refuse(connection: Connection, refusals: Sequence[Refusal]) -> list[int]:
    """End messages the provider refused for good; an opt-out it told us of becomes a
    suppression.
    """
    if not refusals:
        return []
    parts.lock(connection, [r.message_id for r in refusals])
    parameters = _facts(refusals) | {"suppress": [r.suppress for r in refusals]}
    return [row.id for row in connection.execute(_REFUSE, parameters)]


def doubt(connection: Connection, doubts: Sequence[Doubt]) -> None:
    """Note what was seen of calls without an outcome; the messages stay `sending`."""
    if doubts:
        parts.lock(connection, [d.message_id for d in doubts])
        connection.execute(_DOUBT, _facts(doubts))


def park(connection: Connection, calls: Sequence[tuple[int, uuid.UUID]]) -> list[int]:
    """Give up on proof: these (message id, token) become `unknown`, parked and visible."""
    if not calls:
        return []
    parts.lock(connection, [c[0] for c in calls])
    parameters = {"ids": [c[0] for c in calls], "tokens": [c[1] for c in calls]}
    return [row.id for row in connection.execute(_UNKNOWN, parameters)]


def _facts(outcomes: Sequence[Refusal] | Sequence[Doubt]) -> dict[str, list[object]]:
    return {
        "ids": [o.message_id for o in outcomes],
        "tokens": [o.token for o in outcomes],
        "sentences": [o.sentence for o in outcomes],
        "codes": [o.error_code for o in outcomes],
        "https": [o.http_status for o in outcomes],
    }
