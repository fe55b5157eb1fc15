"""A campaign's life, as operators move it. The HTTP API and the CLI call the same functions.

Every function is safe to repeat; what cannot be done is Refused with the reason and the mend.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from sqlalchemy import Connection, Row, text

from scheduler.campaign_settings import CampaignPatch, CampaignSettings
from scheduler.ingest.load import load
from shared import clock
from shared.db.queries import campaigns, retries, uploads
from shared.db.queries.audit import note
from shared.db.queries.directory import opened
from shared.db.session import retried, transaction
from shared.domain.campaign import CampaignStatus
from shared.domain.wording import Wording, word
from shared.errors import Refused
from shared.providers.registry import what_it_means
from shared.queue.jobs import ImportUpload
from shared.queue.publish import publish
from shared.settings import settings

#: A file of up to so many lines is imported before the answer; a larger one while it waits.
INLINE_LINES = 20_000
#: Batches of unsent messages that a cancel settles itself; the sweep does the rest.
_CANCEL_BATCHES = 20
_RETRY_BATCH = 1000

_C = CampaignStatus


class Created(NamedTuple):
    """The campaign of an upload; `fresh` is False when the same upload had made it before."""

    campaign_id: int
    fresh: bool


def create(
    *, filename: str, chunks: Iterable[bytes], chosen: CampaignSettings, actor: str
) -> Created:
    """Store an upload and make its campaign; the same bytes and settings are the same campaign.

    A small file is imported before this returns; a larger one in the background, and the campaign
    is `draft` until then. Raises Refused: unknown agents, an option that is not available, a
    template whose placeholder is no column, a file that cannot be read.
    """
    chosen.refuse_what_is_not_built()
    with transaction() as connection:
        agents = _agents(connection, chosen.agents)
    template = _template(chosen, [agent.opener for agent in agents])
    stored = chosen.stored(template=template)
    upload_id = uploads.new(filename)
    file = _Counted(chunks)
    uploads.put(upload_id, file)
    fingerprint = hashlib.sha256(
        file.sha256.digest() + orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    ).hexdigest()

    def insert(connection: Connection) -> int | None:
        uploads.seal(connection, upload_id, sha256=file.sha256.hexdigest(), size=file.size)
        facts = {
            "name": chosen.name,
            "mode": chosen.mode,
            "priority": int(chosen.rank),
            "settings": stored,
            "fingerprint": fingerprint,
            "upload_id": upload_id,
            "send_before": chosen.send_before,
            "scheduled_at": chosen.scheduled_at,
        }
        made = campaigns.create(connection, facts, [agent.key for agent in agents])
        if made is not None:
            details = {"name": chosen.name, "file": file.sha256.hexdigest(), "bytes": file.size}
            note(connection, actor=actor, action="create", subject=_name(made), details=details)
        return made

    made = retried(insert)
    if made is None:
        uploads.drop(upload_id)
        with transaction() as connection:
            return Created(campaigns.by_fingerprint(connection, fingerprint), fresh=False)
    _import(made, inline=file.lines <= INLINE_LINES)
    return Created(made, fresh=True)


def _import(campaign_id: int, *, inline: bool) -> None:
    if not inline:
        publish([ImportUpload(campaign_id=campaign_id)])
        return
    try:
        load(campaign_id)
    except uploads.LeaseLost:
        return  # it was cancelled meanwhile, or a sweep took it over: the campaign stands
    except Refused:
        with transaction() as connection:
            campaigns.forget(connection, campaign_id)
        raise


class _Counted:
    """Passes bytes on while it hashes and counts them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.lines = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.sha256.update(chunk)
            self.size += len(chunk)
            self.lines += chunk.count(b"\n") or chunk.count(b"\r")
            yield chunk


_FIND_AGENTS = text("""
    SELECT key, id, opener FROM agent
    WHERE id = ANY (CAST(:ids AS text[])) AND deleted_at IS NULL ORDER BY key
""")


def _agents(connection: Connection, ids: list[str]) -> list[Row[Any]]:
    found = list(connection.execute(_FIND_AGENTS, {"ids": ids}))
    missing = sorted(set(ids) - {agent.id for agent in found})
    if missing:
        raise Refused(
            "agent_not_found",
            f"There is no agent {', '.join(map(repr, missing))}: 'volley agent list' shows those "
            "there are.",
        )
    return found


def _template(chosen: CampaignSettings, openers: list[dict[str, Any] | None]) -> str:
    """The words of the campaign: its message, or in agent mode the agents' opener template."""
    if chosen.mode == "direct":
        if not (chosen.message or "").strip():
            raise Refused(
                "message_missing", "A direct campaign needs a 'message': the text to send."
            )
        return chosen.message or ""
    templates = {opener.get("template") for opener in openers if opener} - {None}
    if len(templates) > 1:
        raise Refused(
            "openers_differ",
            "The campaign's agents have different opener templates: give them the same one, or "
            "make one campaign for each.",
        )
    template = next(iter(templates), None) or chosen.message
    if not (template or "").strip():
        raise Refused(
            "opener_missing",
            "Nothing to open with: an initial prompt is never itself sent. Give the agent an "
            "opener.template, or the campaign a 'message'.",
        )
    return template or ""


def launch(campaign_id: int, *, actor: str) -> str:
    """Start sending, or wait for `scheduled_at`; returns the new status."""

    def decide(connection: Connection, row: Row[Any]) -> str:
        if row.status in (_C.RUNNING, _C.SCHEDULED):
            return str(row.status)
        if row.status == _C.DRAFT:
            raise Refused(
                "still_importing",
                "The file is still being imported: launch when ready.",
                status=409,
            )
        _require(
            row, _C.READY, "launched", hint="resume it instead" if row.status == _C.PAUSED else ""
        )
        if not row.report["accepted"]:
            raise Refused(
                "no_recipients",
                "No row of the file was accepted: mend the rejects and upload them again.",
                status=409,
            )
        _refuse_unreachable_callbacks(connection, campaign_id)
        later = row.scheduled_at is not None and row.scheduled_at > clock.now()
        return _C.SCHEDULED if later else _C.RUNNING

    return _change(campaign_id, decide, actor=actor, action="launch")


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
            raise Refused("finished", "It has finished: there is nothing to cancel.", status=409)
        return _C.CANCELLED

    status = _change(
        campaign_id, decide, actor=actor, action="cancel", reason=f"cancelled by {actor}"
    )
    for _ in range(_CANCEL_BATCHES):
        if not retried(lambda connection: campaigns.cancel_some(connection, campaign_id)):
            break
    return status


def retry_failed(campaign_id: int, *, actor: str) -> int:
    """One new message for each recipient whose latest failed with a retryable code; how many.

    It carries only the parts that failed or never went. Unique per recipient and round.
    """
    with transaction() as connection:
        _retryable(connection, campaign_id)
        codes = [
            code
            for code in retries.error_codes(connection, campaign_id)
            if what_it_means("twilio", code).retryable
        ]
    again, after = 0, 0
    while True:
        made, last = retried(
            partial(_retry_some, campaign_id=campaign_id, codes=codes, after=after)
        )
        again += made
        if last is None:
            break
        after = last
    if again:
        with transaction() as connection:
            details = {"messages": again}
            note(
                connection,
                actor=actor,
                action="retry-failed",
                subject=_name(campaign_id),
                details=details,
            )
    return again


def _retry_some(
    connection: Connection, campaign_id: int, codes: list[int], after: int
) -> tuple[int, int | None]:
    # With the campaign held, it cannot finish or be cancelled between these messages and its start.
    campaign = _retryable(connection, campaign_id)
    batch = retries.failed(connection, campaign_id, codes=codes, after=after, most=_RETRY_BATCH)
    worded = [(f.message_id, w) for f in batch if (w := _what_did_not_arrive(f, campaign))]
    made = retries.send_again(connection, worded)
    if made and campaign.status == _C.FINISHED:
        campaigns.move(connection, campaign_id, _C.RUNNING)
    return made, batch[-1].message_id if len(batch) == _RETRY_BATCH else None


def _retryable(connection: Connection, campaign_id: int) -> Row[Any]:
    row = _locked(connection, campaign_id)
    if row.status not in (_C.RUNNING, _C.PAUSED, _C.FINISHED):
        raise Refused(
            "not_retryable",
            f"The campaign is {row.status}: there is nothing to retry.",
            status=409,
        )
    return row


#: What the latest call for a part came to when the part did not arrive; None: it was never called.
_DID_NOT_ARRIVE = (None, "returned", "failed", "undelivered", "cancelled")


def _what_did_not_arrive(failed: retries.Failed, campaign: Row[Any]) -> Wording | None:
    cuts = [0, *failed.cuts, len(failed.body)]
    parts = [
        (failed.body[cuts[i] : cuts[i + 1]], failed.parts.get(i)) for i in range(len(cuts) - 1)
    ]
    missing = [words for words, status in parts if status in _DID_NOT_ARRIVE]
    if not missing:
        # A person called it failed, though it may have gone: to send it again is their decision.
        missing = [words for words, status in parts if status == "unknown"]
    if not missing:
        return None
    return word(
        "".join(missing),
        split_at=campaign.settings["split_at"],
        smart_encoded=bool(campaign.settings["options"].get("smart_encoded")),
    )


def patch(campaign_id: int, changes: CampaignPatch, *, actor: str) -> None:
    """Change the name, the priority or `send_before` of a campaign."""
    columns = changes.columns()
    with transaction() as connection:
        _locked(connection, campaign_id)
        for column, value in columns.items():
            connection.execute(
                text(f"UPDATE campaign SET {column} = :value WHERE id = :id"),
                {"value": value, "id": campaign_id},
            )
        details = {name: str(value) for name, value in columns.items()}
        note(connection, actor=actor, action="patch", subject=_name(campaign_id), details=details)


_SWITCH = text("""
    UPDATE control SET stopped_at = CASE WHEN :stop THEN coalesce(stopped_at, now()) END,
                       stopped_by = CASE WHEN :stop THEN coalesce(stopped_by, :actor) END
""")


def stop_sending(*, actor: str) -> None:
    """The big switch: after this returns, no call is written that was not already claimed."""
    _switch(stop=True, actor=actor)


def start_sending(*, actor: str) -> None:
    """Let running campaigns go on."""
    _switch(stop=False, actor=actor)


def sending_stopped() -> bool:
    """Whether all sending is stopped."""
    with transaction() as connection:
        return connection.execute(text("SELECT stopped_at FROM control")).scalar() is not None


def _switch(*, stop: bool, actor: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(_SWITCH, {"stop": stop, "actor": actor})
        note(connection, actor=actor, action="stop" if stop else "start", subject="sending")
        campaigns.shut_gate(connection)

    retried(work)


def _change(
    campaign_id: int,
    decide: Callable[[Connection, Row[Any]], str],
    *,
    actor: str,
    action: str,
    reason: str | None = None,
) -> str:
    def work(connection: Connection) -> str:
        row = _locked(connection, campaign_id)
        status = decide(connection, row)
        if status != row.status:
            campaigns.move(connection, campaign_id, status, reason=reason)
            note(connection, actor=actor, action=action, subject=_name(campaign_id))
            campaigns.shut_gate(connection)
        return str(status)

    return retried(work)


def _locked(connection: Connection, campaign_id: int) -> Row[Any]:
    row = campaigns.lock(connection, campaign_id) if 0 < campaign_id < 1 << 31 else None
    if row is None:
        raise Refused("campaign_not_found", f"There is no campaign {campaign_id}.", status=404)
    return row


def _require(row: Row[Any], status: CampaignStatus, done: str, *, hint: str = "") -> None:
    if row.status != status:
        mend = f": {hint}" if hint else ""
        raise Refused(
            "wrong_status",
            f"The campaign is {row.status} and cannot be {done}{mend}.",
            status=409,
            details={"status": row.status},
        )


_OWN_ACCOUNTS = text("""
    SELECT a.credentials FROM lane l JOIN agent a ON a.key = l.agent_key
    WHERE l.campaign_id = :id
""")


def _refuse_unreachable_callbacks(connection: Connection, campaign_id: int) -> None:
    """The real Twilio could not reach a loopback address: deliveries would never be known."""
    host = urlsplit(settings().callback_base).hostname or ""
    if host not in {"localhost", "127.0.0.1", "::1"}:
        return
    for sealed in connection.execute(_OWN_ACCOUNTS, {"id": campaign_id}).scalars():
        own, _ = opened(sealed)
        elsewhere = own.get("api_url") if own else settings().twilio_api_url
        simulated = own is None and settings().simulated
        if not simulated and elsewhere is None:
            raise Refused(
                "public_url_loopback",
                f"Twilio cannot reach {settings().callback_base} to report deliveries: set "
                "VOLLEY_PUBLIC_URL to this server's public https address and start again.",
                status=409,
            )


def _name(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"
