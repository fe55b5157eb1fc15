"""/api/campaigns: launch what was uploaded, and everything an operator does to it afterwards."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from scheduler.campaigns import lifecycle
from scheduler.campaigns import resolve_unknown as unknown
from scheduler.campaigns import retry_failed as retry
from scheduler.campaigns import status as standing
from scheduler.campaigns.settings import CampaignPatch
from scheduler.campaigns.status import Resolved, Retried
from scheduler.http.auth import Operator, Viewer
from scheduler.http.documented_errors import CONFLICTS
from scheduler.http.requests import AfterNumber, CampaignId, Limit, Page, paged
from shared.domain.campaign import CampaignStatus
from shared.views.campaigns import Campaign
from shared.views.fields import extended

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])


@router.get("")
def list_campaigns(
    caller: Viewer,
    status: Annotated[CampaignStatus | None, Query()] = None,
    after: AfterNumber = None,
    limit: Limit = 50,
) -> Page[Campaign]:
    """Newest first, reports without their rejects; `after` is the last id of the page before."""
    before = min(after, 1 << 31) if after is not None else None
    found = standing.campaigns(status=status or "", before=before, limit=limit + 1)
    return paged(found, limit)


@router.get("/{campaign_id}")
def show_campaign(campaign_id: CampaignId, caller: Viewer) -> Campaign:
    """One campaign: its report, counts by status, pace and time left."""
    return standing.campaign(campaign_id)


@router.patch("/{campaign_id}", responses=CONFLICTS)
def change_campaign(campaign_id: CampaignId, changes: CampaignPatch, caller: Operator) -> Campaign:
    """Change name, priority, window or send_before."""
    lifecycle.patch(campaign_id, changes, actor=caller.actor)
    return standing.campaign(campaign_id)


@router.post("/{campaign_id}/retry-failed")
def retry_failed(campaign_id: CampaignId, caller: Operator) -> Retried:
    """One more message for each recipient whose latest failed in a way that may pass."""
    retried = retry.retry_failed(campaign_id, actor=caller.actor)
    return extended(Retried, standing.campaign(campaign_id), retried=retried)


@router.post("/{campaign_id}/launch")
def launch_campaign(campaign_id: CampaignId, caller: Operator) -> Campaign:
    """Start sending, or wait for `scheduled_at`; at once if that has passed. May be repeated."""
    lifecycle.launch(campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id)


@router.post("/{campaign_id}/pause")
def pause_campaign(campaign_id: CampaignId, caller: Operator) -> Campaign:
    """Stop sending: after the answer nothing is sent that was not already claimed."""
    lifecycle.pause(campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id)


@router.post("/{campaign_id}/resume")
def resume_campaign(campaign_id: CampaignId, caller: Operator) -> Campaign:
    """Go on sending a paused campaign."""
    lifecycle.resume(campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id)


@router.post("/{campaign_id}/cancel")
def cancel_campaign(campaign_id: CampaignId, caller: Operator) -> Campaign:
    """Call back everything unsent, for good. What the provider has accepted still arrives."""
    lifecycle.cancel(campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id)


class Resolution(BaseModel):
    """What a person decides about messages nobody can prove anything about."""

    model_config = ConfigDict(extra="forbid")

    resolved: Literal["resend", "failed"] = Field(alias="as")
    reason: str = Field(min_length=1, max_length=500)


@router.post("/{campaign_id}/resolve-unknown")
def resolve_unknown(campaign_id: CampaignId, decision: Resolution, caller: Operator) -> Resolved:
    """Send the campaign's unknown messages again, which may text somebody twice, or fail them."""
    count = unknown.resolve_unknown(
        campaign_id, decision.resolved, reason=decision.reason, actor=caller.actor
    )
    return extended(Resolved, standing.campaign(campaign_id), resolved=count)
