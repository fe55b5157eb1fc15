"""What a person decides about messages nobody can prove anything about. Audited, with a reason."""

from typing import Literal

from sqlalchemy import Connection

from shared.db.audit import note
from shared.db.session import retried
from shared.domain.campaign import CampaignStatus
from shared.errors import Refused
from shared.ledger import campaigns, unknown
from shared.throttle.nudge import nudge


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

    Sending again may text somebody twice: that is the person's decision, not ours. Raises Refused:
    campaign_not_found, cancelled.
    """

    if not reason.strip():
        raise Refused("reason_missing", "Say why you decide so: the reason stands in the audit.")

    def work(connection: Connection) -> int:
        row = campaigns.lock(connection, campaign_id) if 0 < campaign_id < 1 << 31 else None
        if row is None:
            raise Refused("campaign_not_found", f"There is no campaign {campaign_id}.")
        if row.status == CampaignStatus.CANCELLED and resolved == "resend":
            raise Refused("cancelled", "The campaign is cancelled: nothing of it is sent again.")
        count = unknown.resolve(connection, campaign_id, resolved, reason=reason, actor=actor)
        if count and resolved == "resend" and row.status == CampaignStatus.FINISHED:
            campaigns.move(
                connection, campaign_id, CampaignStatus.RUNNING, action="run-again", actor=actor
            )
        note(
            connection,
            actor=actor,
            action="resolve-unknown",
            subject=campaigns.subject(campaign_id),
            details={"as": resolved, "reason": reason, "messages": count},
        )
        return count

    count = retried(work)
    if count and resolved == "resend":
        nudge()
    return count
