"""What people ask to see of campaigns and messages; the HTTP API and the CLI both ask here."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from shared.db.session import transaction
from shared.errors import Refused
from shared.providers.registry import provider_named
from shared.settings import settings
from shared.views import campaigns as campaign_views
from shared.views import messages as message_views
from shared.views import waiting_reasons
from shared.views.timeline import timeline


def campaign(campaign_id: int) -> dict[str, Any]:
    """One campaign with its whole report. Raises Refused 404 campaign_not_found."""
    with transaction() as connection:
        found = campaign_views.campaign(connection, campaign_id)
        if found is None:
            raise no_campaign(campaign_id)
        return _explained(connection, [found])[0]


def campaigns(
    *, status: str = "", before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """The newest campaigns, those with an id below `before`; reports without their rejects."""
    with transaction() as connection:
        found = campaign_views.campaigns(connection, status=status, before=before, limit=limit)
        return _explained(connection, found)


def progress(campaign_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Where these campaigns stand now, without reports; those that do not exist are left out."""
    with transaction() as connection:
        return _explained(connection, campaign_views.progress(connection, list(campaign_ids)))


def _explained(connection: Connection, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These campaigns with why they wait and, only while something moves, the time left."""
    certain_after = timedelta(seconds=settings().fence + settings().http_timeout[1])
    verdict_after = timedelta(seconds=settings().reconcile_checks[-1])
    return waiting_reasons.explained(
        connection, found, certain_after=certain_after, verdict_after=verdict_after
    )


def messages(
    campaign_id: int, *, statuses: Sequence[str] = (), after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Each recipient's latest message, in id order. Raises Refused 404 campaign_not_found."""
    with transaction() as connection:
        if message_views.header(connection, campaign_id) is None:
            raise no_campaign(campaign_id)
        found = message_views.page(
            connection, campaign_id, statuses=statuses, after=after, limit=limit
        )
    return [told(entry) for entry in found]


def message(message_id: int) -> dict[str, Any]:
    """One message with its file's `fields` and its `timeline`. Raises Refused 404."""
    with transaction() as connection:
        entry = message_views.one(connection, message_id)
        if entry is None:
            raise Refused("message_not_found", f"There is no message {message_id}.", status=404)
        story = timeline(connection, message_id, meaning=_meaning)
    return told(entry) | {"fields": entry.fields, "timeline": story}


def told(entry: message_views.Entry) -> dict[str, Any]:
    """A message with the words for its error: a receipt brings a code without them."""
    code, words = entry.shown["error_code"], entry.shown["error_message"]
    if code is None or words:
        return entry.shown
    return entry.shown | {"error_message": _meaning(entry.provider, code)}


def sending() -> dict[str, Any]:
    """Whether all sending is stopped: {stopped, stopped_at, stopped_by}."""
    with transaction() as connection:
        return campaign_views.sending(connection)


def _meaning(provider: str, code: int) -> str:
    try:
        return provider_named(provider).look_up(code).sentence
    except Refused:  # a provider whose codes nobody has written down
        return ""


def no_campaign(campaign_id: int) -> Refused:
    """There is none with this id."""
    return Refused("campaign_not_found", f"There is no campaign {campaign_id}.", status=404)
