"""Messages of several parts: move on to the next, or show where all of them stand."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, text

from shared.domain.message import MessageStatus
from shared.domain.parts import settle as where_it_stands

_LATEST = text("""
    SELECT DISTINCT ON (message_id, part) message_id, part, status FROM attempt
    WHERE message_id = ANY (CAST(:ids AS bigint[])) ORDER BY message_id, part, n DESC
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
        WHERE a.message_id = g.id AND error_code IS NOT NULL ORDER BY n DESC LIMIT 1
    ) w ON g.status IN ('failed', 'undelivered')
    WHERE m.id = g.id
    RETURNING m.id, m.status, (extract(epoch FROM m.due_at) * 1000000)::bigint AS due
""")
_RUN_AGAIN = text("""
    UPDATE campaign SET status = 'running', finished_at = NULL
    WHERE id = ANY (CAST(:ids AS int[])) AND status = 'finished'
""")


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
    campaigns: set[int] = set()
    for m in messages:
        status, part = where_it_stands(m.status, part=m.part, parts=m.parts, latest=latest[m.id])
        if (status, part) != (m.status, m.part):
            moves.append((m.id, status, part))
            campaigns.add(m.campaign_id)
    return _move(connection, moves, campaigns)


def _move(
    connection: Connection, moves: list[tuple[int, MessageStatus, int]], campaigns: set[int]
) -> list[tuple[int, int]]:
    if not moves:
        return []
    parameters = {
        "ids": [m[0] for m in moves],
        "statuses": [m[1].value for m in moves],
        "parts": [m[2] for m in moves],
    }
    written = connection.execute(_MOVE, parameters).fetchall()
    continued = sorted((row.id, row.due) for row in written if row.status == "ready")
    if continued:
        connection.execute(_RUN_AGAIN, {"ids": sorted(campaigns)})
    return continued
