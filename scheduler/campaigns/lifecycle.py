"""A campaign's life, as operators move it. The HTTP API and the CLI call the same functions.

Every function is safe to repeat; what cannot be done is Refused with the reason and the mend.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, text

from scheduler.campaigns.settings import CampaignPatch
from scheduler.campaigns.times import refuse_deadline
from shared import clock
from shared.db.audit import note
from shared.db.session import retried, statement, transaction
from shared.domain.campaign import CampaignStatus
from shared.errors import Refused
from shared.ledger import campaigns
from shared.ledger.routing import opened
from shared.logging import get_logger
from shared.providers.registry import provider_named
from shared.settings import settings

log = get_logger(__name__)

#: Batches of unsent messages that a cancel settles itself; the sweep does the rest.
_CANCEL_BATCHES = 20

_C = CampaignStatus


def launch(campaign_id: int, *, actor: str) -> str:
    """Start sending, or wait for `scheduled_at`; returns the new status.

    Where `scheduled_at` has passed meanwhile it starts now: whoever launches wants it to go.
    """

    def decide(connection: Connection, row: Row[Any]) -> str:
        if row.status in (_C.RUNNING, _C.SCHEDULED):
            return str(row.status)
        if row.status == _C.DRAFT:
            raise Refused(
                "still_importing",
                "The file is still being imported: launch when ready.",
            )
        _require(
            row, _C.READY, "launched", hint="resume it instead" if row.status == _C.PAUSED else ""
        )
        _refuse_what_cannot_start(connection, row)
        later = row.scheduled_at is not None and row.scheduled_at > clock.now()
        return _C.SCHEDULED if later else _C.RUNNING

    return _change(campaign_id, decide, actor=actor, action="launch")


def launch_scheduled(*, refused: bool = False) -> int:
    """Start the scheduled campaigns whose time has come, if nothing speaks against it: how many.

    The others stay `scheduled` and say why. Those are tried again with `refused`, and only then.
    """
    find = partial(campaigns.to_launch, refused=refused)
    return sum(retried(partial(_start, campaign_id=i)) for i in retried(find, within=statement))


def _start(connection: Connection, campaign_id: int) -> bool:
    row = campaigns.lock(connection, campaign_id)
    if row is None or row.status != _C.SCHEDULED:
        return False
    try:
        _refuse_what_cannot_start(connection, row)
    except Refused as error:
        if row.reason != str(error):
            campaigns.explain(connection, campaign_id, str(error))
            log.warning("campaign.not_launched", campaign_id=campaign_id, reason=error.code)
        return False
    campaigns.move(connection, campaign_id, _C.RUNNING, action="launch")
    log.info("campaign.launched", campaign_id=campaign_id)
    return True


def pause(campaign_id: int, *, actor: str, reason: str | None = None) -> str:
    """Stop sending: after this returns, no call is written that was not already claimed."""

    def decide(connection: Connection, row: Row[Any]) -> str:
        if row.status != _C.PAUSED:
            _require(row, _C.RUNNING, "paused")
        return _C.PAUSED

    return _change(
        campaign_id, decide, actor=actor, action="pause", reason=reason or f"paused by {actor}"
    )


def resume(campaign_id: int, *, actor: str) -> str:
    """Go on sending a paused campaign."""

    def decide(connection: Connection, row: Row[Any]) -> str:
        if row.status != _C.RUNNING:
            _require(row, _C.PAUSED, "resumed")
        return _C.RUNNING

    return _change(campaign_id, decide, actor=actor, action="resume")


def cancel(campaign_id: int, *, actor: str) -> str:
    """Call back everything unsent. What the provider has already accepted cannot be recalled."""

    def decide(connection: Connection, row: Row[Any]) -> str:
        if row.status == _C.FINISHED:
            raise Refused("finished", "It has finished: there is nothing to cancel.")
        return _C.CANCELLED

    status = _change(
        campaign_id, decide, actor=actor, action="cancel", reason=f"cancelled by {actor}"
    )
    for _ in range(_CANCEL_BATCHES):
        if not retried(lambda connection: campaigns.cancel_some(connection, campaign_id)):
            break
    return status


def patch(campaign_id: int, changes: CampaignPatch, *, actor: str) -> None:
    """Change the name, the priority or `send_before` of a campaign.

    Raises Refused for a new `send_before` by which nothing could be sent.
    """
    columns = changes.columns()
    with transaction() as connection:
        row = locked(connection, campaign_id)
        if changes.send_before != row.send_before:
            refuse_deadline(changes.send_before, scheduled_at=row.scheduled_at)
        campaigns.change(connection, campaign_id, columns)
        details = {name: str(value) for name, value in columns.items()}
        subject = campaigns.subject(campaign_id)
        note(connection, actor=actor, action="patch", subject=subject, details=details)


def _change(
    campaign_id: int,
    decide: Callable[[Connection, Row[Any]], str],
    *,
    actor: str,
    action: str,
    reason: str | None = None,
) -> str:
    def work(connection: Connection) -> str:
        row = locked(connection, campaign_id)
        status = decide(connection, row)
        if status != row.status:
            to = CampaignStatus(status)
            campaigns.move(connection, campaign_id, to, action=action, actor=actor, reason=reason)
        return str(status)

    return retried(work)


def locked(connection: Connection, campaign_id: int) -> Row[Any]:
    row = campaigns.lock(connection, campaign_id) if 0 < campaign_id < 1 << 31 else None
    if row is None:
        raise Refused("campaign_not_found", f"There is no campaign {campaign_id}.")
    return row


def _require(row: Row[Any], status: CampaignStatus, done: str, *, hint: str = "") -> None:
    if row.status != status:
        mend = f": {hint}" if hint else ""
        raise Refused(
            "wrong_status",
            f"The campaign is {row.status} and cannot be {done}{mend}.",
            details={"status": row.status},
        )


_OWN_ACCOUNTS = text("""
    SELECT a.provider, a.credentials FROM lane l JOIN agent a ON a.key = l.agent_key
    WHERE l.campaign_id = :id
""")


def _refuse_what_cannot_start(connection: Connection, row: Row[Any]) -> None:
    """The checks of every launch, by hand or by the clock."""
    if not row.report["accepted"]:
        raise Refused(
            "no_recipients",
            "No row of the file was accepted: mend the rejects and upload them again.",
        )
    _refuse_unreachable_callbacks(connection, row.id)


def _refuse_unreachable_callbacks(connection: Connection, campaign_id: int) -> None:
    """A real provider could not reach a loopback address: deliveries would never be known."""
    host = urlsplit(settings().callback_base).hostname or ""
    if host not in {"localhost", "127.0.0.1", "::1"}:
        return
    for agent in connection.execute(_OWN_ACCOUNTS, {"id": campaign_id}):
        own, _ = opened(agent.credentials)
        known = provider_named(agent.provider)
        if known.accounts.calls_back_from_afar(own, settings()):
            raise Refused(
                "public_url_loopback",
                f"{known.title} cannot reach {settings().callback_base} to report deliveries: set "
                "VOLLEY_PUBLIC_URL to this server's public https address and start again.",
            )
