"""What becomes of unknown messages when a person decides."""

from typing import Literal

from sqlalchemy import Connection, text

# The attempt stays `unknown`: evidence that comes after all still finds it.
_RESOLVE = text("""
    WITH held AS MATERIALIZED (
        SELECT id FROM message WHERE campaign_id = :id AND latest AND status = 'unknown'
        ORDER BY id FOR UPDATE
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT id, 'resolved', jsonb_build_object('as', CAST(:resolved AS text),
            'by', CAST(:actor AS text), 'reason', CAST(:reason AS text)) FROM held
    )
    UPDATE message m SET
        status = CASE WHEN :resolved = 'resend' THEN 'ready' ELSE 'failed' END,
        due_at = CASE WHEN :resolved = 'resend' THEN now() END,
        error_message = CASE WHEN :resolved = 'resend' THEN NULL
                             ELSE 'unknown, called failed: ' || :reason END
    FROM held WHERE m.id = held.id
""")


def resolve(
    connection: Connection,
    campaign_id: int,
    resolved: Literal["resend", "failed"],
    *,
    reason: str,
    actor: str,
) -> int:
    """Send a campaign's unknown messages again, or call them failed; returns how many."""
    given = {"id": campaign_id, "resolved": resolved, "reason": reason, "actor": actor}
    return connection.execute(_RESOLVE, given).rowcount
