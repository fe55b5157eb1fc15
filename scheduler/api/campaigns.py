"""/api/campaigns: launch what was uploaded, and everything an operator does to it afterwards."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from scheduler import campaigns, standing
from scheduler.api.auth import Operator, Viewer
from scheduler.api.requests import AfterNumber, CampaignId, Limit, paged
from scheduler.campaign_settings import CampaignPatch
from shared.domain.campaign import CampaignStatus

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])


@router.get("")
def list_campaigns(
    caller: Viewer,
    status: Annotated[CampaignStatus | None, Query()] = None,
    after: AfterNumber = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Newest first, reports without their rejects; `after` is the last id of the page before."""
    before = min(after, 1 << 31) if after is not None else None
    found = standing.campaigns(status=status or "", before=before, limit=limit + 1)
    return paged(found, limit)


@router.get("/{campaign_id}")
def show_campaign(campaign_id: CampaignId, caller: Viewer) -> dict[str, Any]:
    """One campaign: its report, counts by status, pace and time left."""
    return standing.campaign(campaign_id)


@router.patch("/{campaign_id}")
def change_campaign(
    campaign_id: CampaignId, changes: CampaignPatch, caller: Operator
) -> dict[str, Any]:
    """Change name, priority, window or send_before."""
    campaigns.patch(campaign_id, changes, actor=caller.actor)
    return standing.campaign(campaign_id)


@router.post("/{campaign_id}/retry-failed")
def retry_failed(campaign_id: CampaignId, caller: Operator) -> dict[str, Any]:
    """One more message for each recipient whose latest failed in a way that may pass."""
    retried = campaigns.retry_failed(campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id) | {"retried": retried}


_ACTIONS: Final = {
    "launch": campaigns.launch,
    "pause": campaigns.pause,
    "resume": campaigns.resume,
    "cancel": campaigns.cancel,
}


@router.post("/{campaign_id}/{action}")
def move_campaign(
    campaign_id: CampaignId,
    action: Literal["launch", "pause", "resume", "cancel"],
    caller: Operator,
) -> dict[str, Any]:
    """Launch, pause, resume or cancel. Repeating one is harmless; 409 says why it cannot be."""
    _ACTIONS[action](campaign_id, actor=caller.actor)
    return standing.campaign(campaign_id)
