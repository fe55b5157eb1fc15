"""GET /api/campaigns/{id}/events: where the campaign stands, every second, until it has ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from scheduler.campaigns import status
from scheduler.http.auth import Viewer
from scheduler.http.requests import CampaignId
from shared.domain.campaign import CampaignStatus
from shared.views.campaigns import Progress

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])

EVERY_SECONDS: Final = 0.8
_ENDS: Final = frozenset({CampaignStatus.FINISHED, CampaignStatus.CANCELLED})


def _first(campaign_id: CampaignId, caller: Viewer) -> Progress:
    """Where it stands now: found before the stream begins, so that a 404 can still be one."""
    found = _now(campaign_id)
    if found is None:
        raise status.no_campaign(campaign_id)
    return found


@router.get("/{campaign_id}/events", response_class=EventSourceResponse)
async def watch_campaign(
    campaign_id: CampaignId, first: Annotated[Progress, Depends(_first)]
) -> AsyncIterator[ServerSentEvent]:
    """Events `progress` with the campaign's status, counts, rate and eta_seconds as JSON.

    The last one says finished or cancelled. While the database is away the stream stays open.
    """
    found: Progress | None = first
    while found is not None:
        yield ServerSentEvent(data=found, event="progress", retry=1000)
        if found.status in _ENDS:
            return
        await asyncio.sleep(EVERY_SECONDS)
        try:
            found = await run_in_threadpool(_now, campaign_id)
        except (DBAPIError, PoolTimeout):
            yield ServerSentEvent(comment="the database does not answer")


def _now(campaign_id: int) -> Progress | None:
    return next(iter(status.progress([campaign_id])), None)
