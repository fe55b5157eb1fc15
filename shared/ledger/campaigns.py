"""The campaign row and its messages, as the lifecycle moves them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, text

from shared.db.audit import note
from shared.db.session import after_commit
from shared.domain.campaign import CampaignStatus, may_become
from shared.errors import VolleyError
from shared.ledger.claim import GATE
from shared.opaque import Json
from shared.throttle.nudge import nudge

#: Who is told as the actor of what no person has asked for.
VOLLEY: Final = "volley"

_C = CampaignStatus
#: From and to: calls were made until now, and must not be any more.
_SENDS, _ENDS_SENDING = frozenset({_C.RUNNING, _C.PAUSED}), frozenset({_C.PAUSED, _C.CANCELLED})


class ForbiddenMove(VolleyError):
    """A campaign's life has no such step: whoever asked for it has not looked at the status."""


_ALONE = text("SELECT pg_advisory_xact_lock(:gate)")
_BRIEFLY = text("SET LOCAL lock_timeout = '1s'")
_PATIENTLY = text("SET LOCAL lock_timeout = '0'")


def shut_gate(connection: Connection) -> None:
    """Wait until every claim that had not seen this transaction's change has committed.

    For a second at most: a worker that froze in mid-claim must not hold up a STOP, and the rule
    that nothing is written half a second after its claim stands behind it.
    """
    savepoint = connection.begin_nested()
    try:
        connection.execute(_BRIEFLY)
        connection.execute(_ALONE, {"gate": GATE})
        savepoint.commit()
    except Exception as error:
        savepoint.rollback()
        if "lock timeout" not in str(error):
            raise
    connection.execute(_PATIENTLY)


_CREATE = text("""
    INSERT INTO campaign (name, mode, priority, settings, fingerprint, upload_id, send_before,
                          scheduled_at)
    VALUES (:name, :mode, :priority, CAST(:settings AS jsonb), :fingerprint, :upload_id,
            :send_before, :scheduled_at)
    ON CONFLICT (fingerprint) DO NOTHING RETURNING id
""")
_LANES = text("""
    INSERT INTO lane (campaign_id, agent_key)
    SELECT :campaign_id, unnest(CAST(:agents AS int[]))
""")
_FIND = text("SELECT id FROM campaign WHERE fingerprint = :fingerprint")
_LOCK = text("SELECT * FROM campaign WHERE id = :id FOR UPDATE")
_MOVE = text("""
    UPDATE campaign SET status = :status, reason = :reason,
        started_at = CASE WHEN :status = 'running' THEN coalesce(started_at, now())
                          ELSE started_at END,
        finished_at = CASE WHEN :status IN ('finished', 'cancelled') THEN now() END
    WHERE id = :id
""")


def create(connection: Connection, facts: Json, agents: Sequence[int]) -> int | None:
    """A new campaign and its lanes; None when one with the same fingerprint exists."""
    values = facts | {"settings": orjson.dumps(facts["settings"]).decode()}
    created = connection.execute(_CREATE, values).scalar()
    if created is not None:
        connection.execute(_LANES, {"campaign_id": created, "agents": list(agents)})
    return created


def by_fingerprint(connection: Connection, fingerprint: str) -> int | None:
    """The campaign that was made from this file with these settings, if there is one."""
    found: int | None = connection.execute(_FIND, {"fingerprint": fingerprint}).scalar()
    return found


def lock(connection: Connection, campaign_id: int) -> Row[Any] | None:
    """The campaign's row, ours until the transaction ends."""
    return connection.execute(_LOCK, {"id": campaign_id}).one_or_none()


_STATUS = text("SELECT status FROM campaign WHERE id = :id FOR UPDATE")


def move(
    connection: Connection,
    campaign_id: int,
    to: CampaignStatus,
    *,
    action: str,
    actor: str = VOLLEY,
    reason: str | None = None,
) -> None:
    """Give a campaign a new status: the one place that does.

    The audit gets a line of `actor` and `action`. Where sending ends, no claim that had not seen it
    is open any more when this returns; where it begins, dispatchers are told after the commit.
    Raises ForbiddenMove, and nothing is written, when the table has no such step.
    """
    former = CampaignStatus(connection.execute(_STATUS, {"id": campaign_id}).scalar_one())
    if not may_become(former, to):
        raise ForbiddenMove(f"Campaign {campaign_id} is {former} and cannot become {to}.")
    connection.execute(_MOVE, {"id": campaign_id, "status": to, "reason": reason})
    details = {"reason": reason} if reason else None
    note(connection, actor=actor, action=action, subject=subject(campaign_id), details=details)
    if former in _SENDS and to in _ENDS_SENDING:
        shut_gate(connection)
    if to is CampaignStatus.RUNNING:
        after_commit(connection, nudge)


def subject(campaign_id: int) -> str:
    """The campaign, as the audit names it."""
    return f"campaign:{campaign_id}"


_EXPLAIN = text("UPDATE campaign SET reason = :reason WHERE id = :id")
_CHANGE = {
    "name": text("UPDATE campaign SET name = :value WHERE id = :id"),
    "priority": text("UPDATE campaign SET priority = :value WHERE id = :id"),
    "send_before": text("UPDATE campaign SET send_before = :value WHERE id = :id"),
}
_TO_LAUNCH = text("""
    SELECT id FROM campaign WHERE status = 'scheduled' AND scheduled_at <= now()
        AND (reason IS NOT NULL) = :refused
    ORDER BY id
""")


def explain(connection: Connection, campaign_id: int, reason: str) -> None:
    """Say why the campaign stays what it is."""
    connection.execute(_EXPLAIN, {"id": campaign_id, "reason": reason})


def change(connection: Connection, campaign_id: int, columns: Mapping[str, object]) -> None:
    """Write new values of `name`, `priority` or `send_before`."""
    for column, value in columns.items():
        connection.execute(_CHANGE[column], {"id": campaign_id, "value": value})


def to_launch(connection: Connection, *, refused: bool) -> list[int]:
    """Scheduled campaigns whose time has come: those whose launch was refused, or the others."""
    return list(connection.execute(_TO_LAUNCH, {"refused": refused}).scalars())


_CANCEL_SOME = text("""
    WITH unsent AS MATERIALIZED (
        (SELECT id FROM message WHERE campaign_id = :id AND due_at IS NOT NULL LIMIT :most)
        UNION ALL
        (SELECT id FROM message WHERE campaign_id = :id AND compose_at IS NOT NULL LIMIT :most)
    ), held AS MATERIALIZED (
        SELECT m.id FROM message m WHERE m.id IN (SELECT id FROM unsent)
          AND m.status IN ('draft', 'planned', 'ready')
        ORDER BY m.id FOR UPDATE
    )
    UPDATE message SET status = 'cancelled', due_at = NULL, compose_at = NULL
    FROM held WHERE message.id = held.id
""")
_EXPIRE_SOME = text("""
    WITH late AS MATERIALIZED (
        SELECT q.id FROM campaign c CROSS JOIN LATERAL (
            SELECT id FROM message WHERE campaign_id = c.id
              AND (due_at IS NOT NULL OR compose_at IS NOT NULL) LIMIT :most
        ) q WHERE c.send_before <= now() AND c.status IN ('running', 'paused', 'scheduled', 'ready')
    ), held AS MATERIALIZED (
        SELECT m.id FROM message m WHERE m.id IN (SELECT id FROM late)
          AND m.status IN ('planned', 'ready')
        ORDER BY m.id FOR UPDATE
    )
    UPDATE message SET status = 'expired', due_at = NULL, compose_at = NULL
    FROM held WHERE message.id = held.id
""")


def cancel_some(connection: Connection, campaign_id: int, *, most: int = 5000) -> int:
    """Cancel up to `most` unsent messages; returns how many. Batches keep transactions short."""
    return connection.execute(_CANCEL_SOME, {"id": campaign_id, "most": most}).rowcount


def expire_some(connection: Connection, *, most: int = 5000) -> int:
    """Expire unsent messages whose campaign's `send_before` has passed; returns how many."""
    return connection.execute(_EXPIRE_SOME, {"most": most}).rowcount


_COUNTS = text("""
    SELECT status, sum(messages)::bigint AS messages, sum(segments)::bigint AS segments
    FROM campaign_count WHERE campaign_id = :id GROUP BY status HAVING sum(messages) <> 0
""")
_FOLD = text("""
    WITH busy AS (
        SELECT campaign_id FROM campaign_count GROUP BY campaign_id, status HAVING count(*) > 1
    ), gone AS (
        DELETE FROM campaign_count WHERE id IN (
            SELECT id FROM campaign_count WHERE campaign_id IN (SELECT campaign_id FROM busy)
            ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING campaign_id, status, messages, segments
    )
    INSERT INTO campaign_count (campaign_id, status, messages, segments)
    SELECT campaign_id, status, sum(messages), sum(segments) FROM gone
    GROUP BY campaign_id, status HAVING sum(messages) <> 0 OR sum(segments) <> 0
""")
# The counts say who might be done; a real count decides, in a statement of its own: with the
# campaign held, nobody can give it something to send again between the count and the commit.
_QUIET = text("""
    SELECT c.id FROM campaign c
    WHERE c.status IN ('running', 'paused') AND NOT EXISTS (
        SELECT 1 FROM campaign_count n WHERE n.campaign_id = c.id
          AND n.status IN ('draft', 'planned', 'ready', 'sending')
        GROUP BY n.status HAVING sum(n.messages) > 0)
    ORDER BY c.id FOR UPDATE OF c SKIP LOCKED
""")
_DONE = text("""
    SELECT c.id FROM campaign c
    WHERE c.id = ANY (CAST(:ids AS int[])) AND NOT EXISTS (
        SELECT 1 FROM message m WHERE m.campaign_id = c.id
          AND m.status IN ('draft', 'planned', 'ready', 'sending'))
    ORDER BY c.id
""")


def counts(connection: Connection, campaign_id: int) -> dict[str, int]:
    """Messages by status: each recipient's latest."""
    found = connection.execute(_COUNTS, {"id": campaign_id})
    return {row.status: row.messages for row in found}


def fold_counts(connection: Connection) -> int:
    """Fold the deltas of busy campaigns into one row a status; returns how many rows that left."""
    return connection.execute(_FOLD).rowcount


def quiet(connection: Connection) -> list[int]:
    """Campaigns that seem to have nothing left to send, held until the transaction ends."""
    return list(connection.execute(_QUIET).scalars())


def finish_done(connection: Connection) -> list[int]:
    """Finish campaigns that have nothing left to send; returns their ids."""
    found = quiet(connection)
    done = list(connection.execute(_DONE, {"ids": found}).scalars()) if found else []
    for campaign_id in done:
        move(connection, campaign_id, CampaignStatus.FINISHED, action="finish")
    return done


_FORGET = text("DELETE FROM campaign WHERE id = :id RETURNING upload_id")
_FORGET_MESSAGES = text("DELETE FROM message WHERE campaign_id = :id")
_FORGET_RECIPIENTS = text("DELETE FROM recipient WHERE campaign_id = :id")
_FORGET_COUNTS = text("DELETE FROM campaign_count WHERE campaign_id = :id")
_FORGET_UPLOAD = text("DELETE FROM upload WHERE id = :id")


def forget(connection: Connection, campaign_id: int) -> None:
    """Remove a campaign whose file could not be read: nothing of it was loaded for sending."""
    upload_id = connection.execute(_FORGET, {"id": campaign_id}).scalar()
    for its in (_FORGET_MESSAGES, _FORGET_RECIPIENTS, _FORGET_COUNTS):
        connection.execute(its, {"id": campaign_id})
    connection.execute(_FORGET_UPLOAD, {"id": upload_id})
