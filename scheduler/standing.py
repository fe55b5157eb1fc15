"""What people ask to see of campaigns and messages; the HTTP API and the CLI both ask here."""

from collections.abc import Sequence
from typing import Any

from shared.db.queries import ledger, reading
from shared.db.queries.timeline import timeline
from shared.db.session import transaction
from shared.errors import Refused


def campaign(campaign_id: int) -> dict[str, Any]:
    """One campaign with its whole report. Raises Refused 404 campaign_not_found."""
    with transaction() as connection:
        found = reading.campaign(connection, campaign_id)
    if found is None:
        raise no_campaign(campaign_id)
    return found


def campaigns(
    *, status: str = "", before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """The newest campaigns, those with an id below `before`; reports without their rejects."""
    with transaction() as connection:
        return reading.campaigns(connection, status=status, before=before, limit=limit)


def progress(campaign_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Where these campaigns stand now, without reports; those that do not exist are left out."""
    with transaction() as connection:
        return reading.progress(connection, list(campaign_ids))


def messages(
    campaign_id: int, *, statuses: Sequence[str] = (), after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Each recipient's latest message, in id order. Raises Refused 404 campaign_not_found."""
    with transaction() as connection:
        if ledger.header(connection, campaign_id) is None:
            raise no_campaign(campaign_id)
        found = ledger.page(connection, campaign_id, statuses=statuses, after=after, limit=limit)
    return [entry.shown for entry in found]


def message(message_id: int) -> dict[str, Any]:
    """One message with its file's `fields` and its `timeline`. Raises Refused 404."""
    with transaction() as connection:
        entry = ledger.one(connection, message_id)
        if entry is None:
            raise Refused("message_not_found", f"There is no message {message_id}.", status=404)
        story = timeline(connection, message_id)
    return entry.shown | {"fields": entry.fields, "timeline": story}


def sending() -> dict[str, Any]:
    """Whether all sending is stopped: {stopped, stopped_at, stopped_by}."""
    with transaction() as connection:
        return reading.sending(connection)


def no_campaign(campaign_id: int) -> Refused:
    """There is none with this id."""
    return Refused("campaign_not_found", f"There is no campaign {campaign_id}.", status=404)
