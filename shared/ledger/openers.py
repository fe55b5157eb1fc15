"""Planned messages and their words."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.domain.wording import Wording
from shared.opaque import Json


@dataclass(frozen=True, slots=True)
class Planned:
    """A message without words: its campaign's settings and its recipient's fields."""

    message_id: int
    settings: Json
    fields: dict[str, str]


_PLANNED = text("""
    SELECT m.id, c.settings, r.fields FROM message m
    JOIN campaign c ON c.id = m.campaign_id
    JOIN recipient r ON r.id = m.recipient_id
    WHERE m.id = ANY (CAST(:ids AS bigint[])) AND m.compose_at IS NOT NULL ORDER BY m.id
""")
_FREEZE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:bodies AS text[]),
            CAST(:cuts AS text[]), CAST(:encodings AS text[]), CAST(:segments AS int[]))
            AS g(id, body, cuts, encoding, segments)
    ), held AS MATERIALIZED (
        SELECT m.id FROM message m WHERE m.id IN (SELECT id FROM given)
          AND m.compose_at IS NOT NULL ORDER BY m.id FOR UPDATE
    )
    UPDATE message m SET status = 'ready', due_at = now(), compose_at = NULL, body = g.body,
        cuts = CAST(g.cuts AS smallint[]), encoding = g.encoding, segments = g.segments
    FROM given g JOIN held ON held.id = g.id WHERE m.id = g.id
    RETURNING m.id
""")
_CANCEL = text("""
    WITH ended AS (
        UPDATE message SET status = 'cancelled', compose_at = NULL, error_message = :reason
        WHERE id = :id AND compose_at IS NOT NULL RETURNING id
    )
    INSERT INTO event (message_id, kind, details)
    SELECT id, 'cancelled', jsonb_build_object('by', 'compose', 'text', CAST(:reason AS text))
    FROM ended
""")


def planned(connection: Connection, ids: Sequence[int]) -> list[Planned]:
    """Those of `ids` that still have no words."""
    found = connection.execute(_PLANNED, {"ids": list(ids)})
    return [Planned(row.id, row.settings, row.fields) for row in found]


def freeze(connection: Connection, worded: Sequence[tuple[int, Wording]]) -> int:
    """planned → ready with these words; returns how many were still planned."""
    if not worded:
        return 0
    parameters = {
        "ids": [message_id for message_id, _ in worded],
        "bodies": [w.body for _, w in worded],
        "cuts": ["{" + ",".join(map(str, w.cuts)) + "}" for _, w in worded],
        "encodings": [w.encoding for _, w in worded],
        "segments": [w.segments for _, w in worded],
    }
    return connection.execute(_FREEZE, parameters).rowcount


def cancel(connection: Connection, message_id: int, reason: str) -> None:
    """A message for which there can be no words."""
    connection.execute(_CANCEL, {"id": message_id, "reason": reason})
