"""Messages of several parts: move on to the next, or show where all of them stand."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from shared.domain.campaign import CampaignStatus
from shared.domain.message import UNSENT, MessageStatus
from shared.domain.parts import state_of_message as where_it_stands
from shared.ledger import campaigns

_LOCK = text("""
    SELECT id FROM message WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
""")
# What provably did not go says nothing, if another call for the same part may have gone.
_LATEST = text("""
    SELECT DISTINCT ON (message_id, part) message_id, part, status FROM attempt
    WHERE message_id = ANY (CAST(:ids AS bigint[]))
    ORDER BY message_id, part, status = 'returned', n DESC
""")
_MESSAGES = text("""
    SELECT id, status, part, cardinality(cuts) + 1 AS parts, campaign_id FROM message
    WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
""")
_MOVE = text("""
    UPDATE message m SET status = g.status, part = g.part,
        due_at = CASE WHEN g.status = 'ready' THEN now() END, compose_at = NULL,
        sent_at = coalesce(m.sent_at, now()),
        delivered_at = CASE WHEN g.status = 'delivered' THEN now() END,
        error_code = w.error_code, error_message = w.error_message
    FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS text[]), CAST(:parts AS int[]))
        AS g(id, status, part)
    LEFT JOIN LATERAL (
        SELECT error_code, error_message FROM attempt a
        WHERE a.message_id = g.id AND a.status = g.status AND error_code IS NOT NULL
        ORDER BY n DESC LIMIT 1
    ) w ON g.status IN ('failed', 'undelivered')
    WHERE m.id = g.id
    RETURNING m.id, m.status, (extract(epoch FROM m.due_at) * 1000000)::bigint AS due
""")
_HOLD_CAMPAIGNS = text("""
    SELECT id, status FROM campaign WHERE id = ANY (CAST(:ids AS int[])) ORDER BY id FOR UPDATE
""")


def lock(connection: Connection, ids: Sequence[int]) -> None:
    """Take these messages, in id order. Whoever changes a message's attempts holds the message.

    A statement of its own: one that waits for a lock still sees the attempts as they were before.
    """
    connection.execute(_LOCK, {"ids": list(ids)})


def run_again(connection: Connection, campaign_ids: Collection[int]) -> None:
    """These campaigns have something to send again, though they may have finished meanwhile.

    To be called after the messages were written: with the campaigns held, either `finish_done` sees
    the messages, or we see that it has finished them.
    """
    if campaign_ids:
        held = connection.execute(_HOLD_CAMPAIGNS, {"ids": sorted(campaign_ids)}).fetchall()
        for campaign in held:
            if campaign.status == CampaignStatus.FINISHED:
                campaigns.move(connection, campaign.id, CampaignStatus.RUNNING, action="run-again")


def settle(connection: Connection, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Settle these messages of several parts from their attempts; safe to call at any time.

    Returns (id, the `due_at` written in microseconds) of those whose next part may go now.
    """
    if not ids:
        return []
    latest: dict[int, dict[int, str]] = defaultdict(dict)
    messages = connection.execute(_MESSAGES, {"ids": list(ids)}).fetchall()
    for row in connection.execute(_LATEST, {"ids": list(ids)}):
        latest[row.message_id][row.part] = row.status
    moves: list[tuple[int, MessageStatus, int]] = []
    waited_for: set[int] = set()
    for m in messages:
        status, part = where_it_stands(m.status, part=m.part, parts=m.parts, latest=latest[m.id])
        if (status, part) != (m.status, m.part):
            moves.append((m.id, status, part))
            if status in UNSENT and m.status not in UNSENT:
                waited_for.add(m.campaign_id)
    continued = _move(connection, moves)
    run_again(connection, waited_for)
    return continued


def _move(
    connection: Connection, moves: list[tuple[int, MessageStatus, int]]
) -> list[tuple[int, int]]:
    if not moves:
        return []
    parameters = {
        "ids": [m[0] for m in moves],
        "statuses": [m[1].value for m in moves],
        "parts": [m[2] for m in moves],
    }
    written = connection.execute(_MOVE, parameters).fetchall()
    return sorted((row.id, row.due) for row in written if row.status == "ready")
