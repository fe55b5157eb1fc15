"""A campaign's messages: as a list, as files, and one of them with its whole timeline."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from scheduler.campaigns import export
from scheduler.campaigns import status as standing
from scheduler.campaigns.reject_file import read_apart
from scheduler.campaigns.status import MessageStory
from scheduler.http.auth import Viewer
from scheduler.http.requests import AfterNumber, CampaignId, Limit, MessageId, Page, paged
from shared.domain.message import MessageStatus
from shared.views.messages import Message

router = APIRouter(prefix="/api", tags=["messages"])


class Csv(StreamingResponse):
    """A file, made while it is sent."""

    media_type = "text/csv"


@router.get("/campaigns/{campaign_id}/messages")
def list_messages(
    campaign_id: CampaignId,
    caller: Viewer,
    status: Annotated[
        list[MessageStatus] | None, Query(description="Only these; may be given several times.")
    ] = None,
    after: AfterNumber = None,
    limit: Limit = 100,
) -> Page[Message]:
    """Each recipient's latest message in id order; `after` is the last id of the page before."""
    found = standing.messages(campaign_id, statuses=status or (), after=after or 0, limit=limit + 1)
    return paged(found, limit)


@router.get("/campaigns/{campaign_id}/messages.csv", response_class=Csv)
def export_messages(campaign_id: CampaignId, caller: Viewer) -> Csv:
    """All messages with the columns of the file they came from, as CSV."""
    return _csv(export.messages_csv(campaign_id), f"campaign-{campaign_id}-messages.csv")


@router.get("/campaigns/{campaign_id}/rejects.csv", response_class=Csv)
def export_rejects(campaign_id: CampaignId, caller: Viewer) -> Csv:
    """The rows that were not accepted, with why and what to do: mend them and upload this file."""
    apart = export.rereads_file(campaign_id)  # a stranger's file, and not to be read here
    pieces = read_apart(campaign_id) if apart else export.rejects_csv(campaign_id)
    return _csv(pieces, f"campaign-{campaign_id}-rejects.csv")


@router.get("/messages/{message_id}")
def show_message(message_id: MessageId, caller: Viewer) -> MessageStory:
    """One message with its timeline: claims, calls, outcomes, callbacks, decisions."""
    return standing.message(message_id)


def _csv(pieces: Iterator[str] | Iterator[bytes], filename: str) -> Csv:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Csv(pieces, headers=headers)
