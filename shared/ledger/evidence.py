"""Evidence of what a provider did with a call: a 201, a callback, a listing, a poll.

One way in for all four, so that the rules hold for all: evidence speaks about the attempt whose
token it carries, and a callback only when the account of that call has signed it; it only ever
raises what is known, and fills what an earlier word for the same end left open; it moves the
message only by the table, and only when no later call for the same part may have gone; a superseded
attempt keeps its SID, and the duplicate is an incident.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, TextClause, text

from shared.domain.message import NEXT, RANK
from shared.ledger import parts, strangers


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one observation says about one attempt."""

    message_id: int
    token: uuid.UUID
    sid: str | None
    #: a word of AttemptStatus, from accepted upwards
    status: str
    error_code: int | None = None
    sentence: str | None = None
    #: how it is known: answer, callback, listing, poll
    source: str = "callback"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that was accepted and then failed with a code: what the code may be about."""

    message_id: int
    agent_key: int
    provider: str
    sender: str | None
    phone: str
    code: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What the evidence changed."""

    #: how many attempts it raised
    raised: int
    #: messages whose next part may go now, with the `due_at` (microseconds) that was written
    continued: list[tuple[int, int]]
    #: messages that went out under more than one token
    duplicates: list[int]
    #: calls that this evidence, and none before, says have failed with that code
    failures: list[Failure]


_ALLOWED = ", ".join(
    f"'{old}>{new}'" for old, allowed in NEXT.items() for new in sorted(allowed & RANK.keys())
)
_RANK = "CASE {0} " + " ".join(f"WHEN '{s}' THEN {r}" for s, r in RANK.items()) + " END"

# The account of an attempt; of one made before accounts were kept, its agent's.
_ACCOUNT = """coalesce({0}.account, (SELECT agent.account
            FROM message w JOIN agent ON agent.key = w.agent_key WHERE w.id = {0}.message_id))"""

# What we were told when we asked needs no account: we knew whom we asked.
_TOLD = """
    given AS MATERIALIZED (
        SELECT DISTINCT ON (id, token) *, CAST(NULL AS text) AS account FROM unnest(
            CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sids AS text[]),
            CAST(:statuses AS text[]), CAST(:ranks AS int[]), CAST(:codes AS int[]),
            CAST(:sentences AS text[]), CAST(:sources AS text[]))
            WITH ORDINALITY AS g(id, token, sid, status, rank, code, sentence, source, ord)
        ORDER BY id, token, rank DESC, ord
    )
"""
_KEPT = """
    taken AS (
        UPDATE callback SET applied = true WHERE ctid = ANY (CAST(:places AS tid[]))
        RETURNING seq, message_id, token, sid, status, rank, error_code, account
    ), given AS MATERIALIZED (
        SELECT DISTINCT ON (message_id, token, account) message_id AS id, token, sid, status, rank,
            error_code AS code, CAST(NULL AS text) AS sentence, 'callback' AS source, account
        FROM taken WHERE rank > 0 AND token IS NOT NULL
        ORDER BY message_id, token, account, rank DESC, seq
    )
"""
# Most evidence is about a message's latest attempt, whose SID is known: it costs no look at others.
# OFFSET 0 keeps the planner from reading all attempts for that instead of one.
_STATEMENT = """
    WITH {given}, met AS MATERIALIZED (
        SELECT a.message_id, a.part, a.n, a.token, g.account,
               (g.account <> {of_a}) IS TRUE AS of_a_stranger,
               g.sid, g.status, g.rank, g.code, g.sentence, g.source, a.sender AS called_from,
               cardinality(m.cuts) AS more,
               {old_rank} AS old_rank,
               m.token IS DISTINCT FROM a.token AND EXISTS (
                   SELECT 1 FROM attempt b WHERE b.message_id = a.message_id
                       AND b.part = a.part AND b.n > a.n AND (b.status <> 'returned'
                           OR EXISTS (SELECT 1 FROM given x WHERE x.token = b.token
                               AND (x.account <> {of_b}) IS NOT TRUE)))
               OR a.status = 'returned' AND EXISTS (
                   SELECT 1 FROM attempt b WHERE b.message_id = a.message_id AND b.part = a.part
                       AND b.n <> a.n AND b.status NOT IN ('sending', 'returned', 'unknown'))
               AS superseded
        FROM given g
        JOIN message m ON m.id = g.id
        JOIN attempt a ON a.message_id = g.id AND a.token = g.token
        WHERE (g.account <> {of_a}) IS TRUE OR (
            (a.sid IS NULL OR g.sid IS NULL OR a.sid = g.sid)
            AND (a.sid IS NOT NULL OR g.sid IS NULL
                 OR NOT EXISTS (SELECT 1 FROM attempt b WHERE b.sid = g.sid OFFSET 0)))
    ), known AS NOT MATERIALIZED (
        SELECT * FROM met WHERE NOT of_a_stranger
    ), raised AS (
        UPDATE attempt a SET
            sid = coalesce(a.sid, k.sid),
            status = CASE WHEN k.rank > k.old_rank THEN k.status ELSE a.status END,
            outcome = CASE WHEN k.old_rank = 0 OR k.source = 'answer' THEN
                CASE WHEN a.outcome IS NULL OR k.source = 'answer' THEN 'accepted'
                     ELSE a.outcome || ', then accepted (' || k.source || ')' END
                ELSE a.outcome END,
            recorded_at = coalesce(a.recorded_at, clock_timestamp()),
            error_code = CASE WHEN k.rank > k.old_rank THEN k.code ELSE a.error_code END,
            error_message = CASE WHEN k.rank > k.old_rank THEN k.sentence ELSE a.error_message END,
            check_at = CASE WHEN greatest(k.rank, k.old_rank) = 3 THEN NULL
                            WHEN k.old_rank = 0 THEN now() + :poll_after ELSE a.check_at END,
            checks = CASE WHEN k.old_rank = 0 THEN 0 ELSE a.checks END
        FROM known k
        WHERE a.message_id = k.message_id AND a.part = k.part AND a.n = k.n
    ), moved AS (
        UPDATE message m SET
            status = k.status, due_at = NULL, compose_at = NULL, part = 1,
            error_code = k.code, error_message = k.sentence,
            sent_at = CASE WHEN k.rank >= 1 THEN coalesce(m.sent_at, now()) END,
            delivered_at = CASE WHEN k.status = 'delivered' THEN now() END
        FROM known k
        WHERE m.id = k.message_id AND NOT k.superseded AND k.more = 0 AND k.rank > k.old_rank
          AND m.status || '>' || k.status IN ({allowed})
    ), incidents AS (
        INSERT INTO event (message_id, kind, details)
        SELECT message_id, 'duplicate', jsonb_build_object(
            'part', part, 'attempt', n, 'sid', sid, 'source', source,
            'text', 'a superseded attempt went out after all')
        FROM known WHERE superseded AND old_rank = 0
    )
    SELECT count(*) FILTER (WHERE rank > old_rank) AS raised,
        array_agg(DISTINCT message_id) FILTER (WHERE rank > old_rank AND more > 0) AS long_ones,
        array_agg(message_id ORDER BY message_id) FILTER (WHERE superseded AND old_rank = 0)
            AS duplicates,
        jsonb_agg(jsonb_build_array(message_id, called_from, code) ORDER BY message_id)
            FILTER (WHERE rank > old_rank AND code IS NOT NULL) AS failed,
        (SELECT jsonb_agg(to_jsonb(met)) FROM met WHERE of_a_stranger) AS strangers
    FROM known
"""
_WORDS = {
    "old_rank": _RANK.format("a.status"),
    "allowed": _ALLOWED,
    "of_a": _ACCOUNT.format("a"),
    "of_b": _ACCOUNT.format("b"),
}
_APPLY = text(_STATEMENT.format(given=_TOLD, **_WORDS))
_APPLY_KEPT = text(_STATEMENT.format(given=_KEPT, **_WORDS))

# An end may come without its code, and again with it, in a later batch or the same one. The status
# stays; the code is news once. Few callbacks carry one, so the others do not pay for this.
_TOLD_CODES = """
    SELECT *, CAST(NULL AS text) AS account FROM unnest(
        CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sids AS text[]),
        CAST(:statuses AS text[]), CAST(:ranks AS int[]), CAST(:codes AS int[]),
        CAST(:sentences AS text[]), CAST(:sources AS text[]))
        WITH ORDINALITY AS t(id, token, sid, status, rank, code, sentence, source, ord)
"""
_KEPT_CODES = """
    SELECT message_id AS id, token, sid, status, rank, error_code AS code,
        CAST(NULL AS text) AS sentence, seq AS ord, account
    FROM callback WHERE seq = ANY (CAST(:seqs AS bigint[]))
"""
_FILL = """
    WITH told AS ({told}), gap AS MATERIALIZED (
        SELECT DISTINCT ON (a.message_id, a.part, a.n)
            a.message_id, a.part, a.n, a.status, a.sender, t.code, t.sentence
        FROM told t JOIN attempt a ON a.message_id = t.id AND a.token = t.token
        WHERE t.rank > 0 AND a.status = t.status AND a.error_code IS NULL
          AND (t.sid IS NULL OR a.sid = t.sid) AND (t.account <> {of_a}) IS NOT TRUE
        ORDER BY a.message_id, a.part, a.n, t.ord
    ), filled AS (
        UPDATE attempt a SET error_code = g.code,
            error_message = coalesce(a.error_message, g.sentence)
        FROM gap g WHERE a.message_id = g.message_id AND a.part = g.part AND a.n = g.n
    ), explained AS (
        UPDATE message m SET error_code = g.code,
            error_message = coalesce(m.error_message, g.sentence)
        FROM gap g WHERE m.id = g.message_id AND m.status = g.status AND m.error_code IS NULL
          AND NOT EXISTS (SELECT 1 FROM attempt b WHERE b.message_id = g.message_id
              AND b.part = g.part AND b.n > g.n AND b.status <> 'returned')
    )
    SELECT message_id, sender, code FROM gap ORDER BY message_id
"""
_FILL_TOLD = text(_FILL.format(told=_TOLD_CODES, **_WORDS))
_FILL_KEPT = text(_FILL.format(told=_KEPT_CODES, **_WORDS))

# Few calls fail: what a code may be about is read for those alone.
_ABOUT = text("""
    SELECT m.id, m.agent_key, agent.provider, r.phone
    FROM message m
    JOIN recipient r ON r.id = m.recipient_id
    JOIN agent ON agent.key = m.agent_key
    WHERE m.id = ANY (CAST(:ids AS bigint[]))
""")


def apply(
    connection: Connection, evidence: Sequence[Evidence], *, poll_after: timedelta
) -> Applied:
    """Apply all of `evidence` in one transaction; rows are locked in id order.

    Raises IntegrityError when a SID was bound elsewhere in the same instant: apply one by one then.
    """
    if not evidence:
        return Applied(0, [], [], [])
    parts.lock(connection, [e.message_id for e in evidence])
    given = _columns(evidence) | {"poll_after": poll_after}
    coded = [e for e in evidence if e.error_code is not None]
    fill = (_FILL_TOLD, _columns(coded)) if coded else None
    return _applied(connection, (_APPLY, given), fill)


def apply_kept(
    connection: Connection, places: str, *, coded: Sequence[int], poll_after: timedelta
) -> Applied:
    """The same for waiting callbacks, whose messages the caller holds; marks them as applied.

    `places` is an array of their ctids, as Postgres writes it; they too must be held. `coded` are
    the `seq` of those with an error code.
    """
    given = {"places": places, "poll_after": poll_after}
    fill = (_FILL_KEPT, {"seqs": list(coded)}) if coded else None
    return _applied(connection, (_APPLY_KEPT, given), fill)


_Query = tuple[TextClause, Mapping[str, Any]]


def _applied(connection: Connection, raise_: _Query, fill: _Query | None) -> Applied:
    found = connection.execute(*raise_).one()
    if found.strangers:
        strangers.note(connection, found.strangers)
    failed = found.failed or []
    if fill is not None:
        failed = [*failed, *connection.execute(*fill)]
    return Applied(
        raised=found.raised,
        continued=parts.settle(connection, found.long_ones or []),
        duplicates=found.duplicates or [],
        failures=_failures(connection, failed),
    )


def _failures(
    connection: Connection, failed: Sequence[tuple[int, str | None, int]]
) -> list[Failure]:
    """From the message id, the sender and the code of each."""
    if not failed:
        return []
    ids = {"ids": sorted({message_id for message_id, _, _ in failed})}
    about = {row.id: row for row in connection.execute(_ABOUT, ids)}
    return [
        Failure(
            message_id,
            about[message_id].agent_key,
            about[message_id].provider,
            sender,
            about[message_id].phone,
            code,
        )
        for message_id, sender, code in failed
    ]


def _columns(evidence: Sequence[Evidence]) -> dict[str, list[Any]]:
    return {
        "ids": [e.message_id for e in evidence],
        "tokens": [e.token for e in evidence],
        "sids": [e.sid for e in evidence],
        "statuses": [e.status for e in evidence],
        "ranks": [RANK[e.status] for e in evidence],
        "codes": [e.error_code for e in evidence],
        "sentences": [e.sentence for e in evidence],
        "sources": [e.source for e in evidence],
    }
