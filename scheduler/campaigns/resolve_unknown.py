"""What a person decides about messages nobody can prove anything about. Audited, with a reason."""

from typing import Literal

from sqlalchemy import Connection, text

from scheduler.nudges import nudge
from shared.db.audit import note
from shared.db.session import retried
from shared.domain.campaign import CampaignStatus
from shared.errors import Refused
from shared.ledger import campaigns

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
        error_message = CASE WHEN :resolved = 'resend' THEN NULL ELSE 'unknown, called failed: ' ||
        :reason END
    FROM held WHERE m.id = held.id
""")


def decision(word: str) -> Literal["resend", "failed"]:
    """The word a person gave. Raises Refused."""
    match word:
        case "resend" | "failed":
            return word
    raise Refused("bad_decision", f"{word!r} is no end: decide for 'resend' or 'failed'.")


def resolve_unknown(
    campaign_id: int, resolved: Literal["resend", "failed"], *, reason: str, actor: str
) -> int:
    """Send a campaign's unknown messages again, or call them failed; returns how many.

    Sending again may text somebody twice: that is the person's decision, not ours. Raises Refused
    (404, 409 on a cancelled campaign).
    """

    if not reason.strip():
        raise Refused("reason_missing", "Say why you decide so: the reason stands in the audit.")

    def work(connection: Connection) -> int:
        row = campaigns.lock(connection, campaign_id) if 0 < campaign_id < 1 << 31 else None
        if row is None:
            raise Refused("campaign_not_found", f"There is no campaign {campaign_id}.", status=404)
        if row.status == CampaignStatus.CANCELLED and resolved == "resend":
            raise Refused(
                "cancelled", "The campaign is cancelled: nothing of it is sent again.", status=409
            )
        given = {"id": campaign_id, "resolved": resolved, "reason": reason, "actor": actor}
        count = connection.execute(_RESOLVE, given).rowcount
        if count and resolved == "resend" and row.status == CampaignStatus.FINISHED:
            campaigns.move(connection, campaign_id, CampaignStatus.RUNNING)
        note(
            connection,
            actor=actor,
            action="resolve-unknown",
            subject=f"campaign:{campaign_id}",
            details={"as": resolved, "reason": reason, "messages": count},
        )
        return count

    count = retried(work)
    if count and resolved == "resend":
        nudge()
    return count
