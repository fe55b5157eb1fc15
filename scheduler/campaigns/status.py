"""What people ask to see of campaigns and messages; the HTTP API and the CLI both ask here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, TypeVar

from sqlalchemy import Connection

from shared.db.session import transaction
from shared.errors import Refused
from shared.providers.registry import provider_named
from shared.settings import settings
from shared.views import campaigns as campaign_views
from shared.views import messages as message_views
from shared.views import waiting_reasons
from shared.views.campaigns import Campaign, Progress, Switch
from shared.views.fields import extended
from shared.views.fields import told as field
from shared.views.messages import Message
from shared.views.timeline import TimelineEntry, timeline

C = TypeVar("C", bound=Progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStory(Message):
    """A message with everything that happened to it."""

    fields: Annotated[dict[str, str], field("Its row of the file.", {"first name": "Ana"})]
    timeline: Annotated[list[TimelineEntry], field("What happened, the oldest first.", [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Campaign):
    """A campaign whose failures were tried again."""

    retried: Annotated[int, field("Messages that were made anew.", 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Campaign):
    """A campaign whose unknown messages were decided."""

    resolved: Annotated[int, field("Messages that were decided.", 2)]


def campaign(campaign_id: int) -> Campaign:
    """One campaign with its whole report. Raises Refused campaign_not_found."""
    with transaction() as connection:
        found = campaign_views.campaign(connection, campaign_id)
        if found is None:
            raise no_campaign(campaign_id)
        return _explained(connection, [found])[0]


def campaigns(*, status: str = "", before: int | None = None, limit: int = 50) -> list[Campaign]:
    """The newest campaigns, those with an id below `before`; reports without their rejects."""
    with transaction() as connection:
        found = campaign_views.campaigns(connection, status=status, before=before, limit=limit)
        return _explained(connection, found)


def progress(campaign_ids: Sequence[int]) -> list[Progress]:
    """Where these campaigns stand now, without reports; those that do not exist are left out."""
    with transaction() as connection:
        return _explained(connection, campaign_views.progress(connection, list(campaign_ids)))


def _explained(connection: Connection, found: list[C]) -> list[C]:
    """These campaigns with why they wait and, only while something moves, the time left."""
    certain_after = timedelta(seconds=settings().fence + settings().http_timeout[1])
    verdict_after = timedelta(seconds=settings().reconcile_checks[-1])
    return waiting_reasons.explained(
        connection, found, certain_after=certain_after, verdict_after=verdict_after
    )


def messages(
    campaign_id: int, *, statuses: Sequence[str] = (), after: int = 0, limit: int = 100
) -> list[Message]:
    """Each recipient's latest message, in id order. Raises Refused campaign_not_found."""
    with transaction() as connection:
        if message_views.header(connection, campaign_id) is None:
            raise no_campaign(campaign_id)
        found = message_views.page(
            connection, campaign_id, statuses=statuses, after=after, limit=limit
        )
    return [told(entry) for entry in found]


def message(message_id: int) -> MessageStory:
    """One message with its file's `fields` and its `timeline`. Raises Refused."""
    with transaction() as connection:
        entry = message_views.one(connection, message_id)
        if entry is None:
            raise Refused("message_not_found", f"There is no message {message_id}.")
        story = timeline(connection, message_id, meaning=_meaning)
    return extended(MessageStory, told(entry), fields=entry.fields, timeline=story)


def told(entry: message_views.Entry) -> Message:
    """A message with the words for its error: a receipt brings a code without them."""
    found = entry.message
    if found.error_code is None or found.error_message:
        return found
    return replace(found, error_message=_meaning(entry.provider, found.error_code))


def sending() -> Switch:
    """Whether all sending is stopped."""
    with transaction() as connection:
        return campaign_views.sending(connection)


def _meaning(provider: str, code: int) -> str:
    try:
        return provider_named(provider).look_up(code).sentence
    except Refused:  # a provider whose codes nobody has written down
        return ""


def no_campaign(campaign_id: int) -> Refused:
    """There is none with this id."""
    return Refused("campaign_not_found", f"There is no campaign {campaign_id}.")
