"""From an upload to a campaign: the bytes are kept first, then the campaign, then its rows."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, text

from scheduler.campaigns.settings import CampaignSettings
from scheduler.campaigns.times import refuse_past_times
from scheduler.import_process import Busy, load
from scheduler.ingest import uploads
from shared.db.audit import note
from shared.db.session import retried, transaction
from shared.errors import InWords, Refused
from shared.ledger import campaigns
from shared.legible import in_one_line
from shared.opaque import Json
from shared.queue.jobs import ImportUpload
from shared.queue.publish import publish

#: A file of up to so many lines is imported before the answer; a larger one while it waits.
INLINE_LINES = 20_000
#: Seconds that it may wait for its turn before it is left to the background too.
INLINE_PATIENCE = 5.0


class Created(NamedTuple):
    """The campaign of an upload; `fresh` is False when the same upload had made it before."""

    campaign_id: int
    fresh: bool
    #: what is sent, with its placeholders
    template: str


def create(
    *, filename: str, chunks: Iterable[bytes], chosen: CampaignSettings, actor: str
) -> Created:
    """Store an upload and make its campaign; the same bytes and settings are the same campaign.

    A small file is imported before this returns; a larger one in the background, and the campaign
    is `draft` until then. Raises Refused: unknown agents, an option that is not available, a
    template whose placeholder is no column, a time that has passed, a file that cannot be read.
    """
    chosen.refuse_what_is_not_built()
    chosen.refuse_unknown_encoding()
    with transaction() as connection:
        agents = _agents(connection, chosen.agents)
    template = _template(chosen, [agent.opener for agent in agents])
    stored = chosen.stored(template=template)
    file = _Counted(chunks)
    if (former := _accepted_in_time(chosen, agents, file, stored)) is not None:
        return Created(former, fresh=False, template=template)
    upload_id = uploads.new(in_one_line(filename))
    uploads.put(upload_id, file)
    given = {"fingerprint": _fingerprint(file, stored), "upload_id": upload_id}
    facts = _facts(chosen, stored) | given

    def insert(connection: Connection) -> int | None:
        uploads.seal(connection, upload_id, sha256=file.sha256.hexdigest(), size=file.size)
        made = campaigns.create(connection, facts, [agent.key for agent in agents])
        if made is not None:
            details = {"name": chosen.name, "file": file.sha256.hexdigest(), "bytes": file.size}
            of = campaigns.subject(made)
            note(connection, actor=actor, action="create", subject=of, details=details)
        return made

    made = retried(insert)
    if made is None:
        uploads.drop(upload_id)
        former = _former(facts["fingerprint"])
        assert former is not None
        return Created(former, fresh=False, template=template)
    _import(made, inline=file.lines <= INLINE_LINES)
    return Created(made, fresh=True, template=template)


def _accepted_in_time(
    chosen: CampaignSettings, agents: list[Row[Any]], file: "_Counted", stored: Json
) -> int | None:
    """The campaign of a request that comes too late now, but was accepted when it first came.

    None for one that is not too late. Raises Refused: a time has passed, an agent is gone.
    """
    try:
        refuse_past_times(scheduled_at=chosen.scheduled_at, send_before=chosen.send_before)
        _refuse_missing({agent.id for agent in agents if agent.deleted_at is not None})
    except Refused:
        file.read()
        former = _former(_fingerprint(file, stored))
        if former is None:
            raise
        return former
    return None


def _former(fingerprint: str) -> int | None:
    with transaction() as connection:
        return campaigns.by_fingerprint(connection, fingerprint)


def _facts(chosen: CampaignSettings, stored: Json) -> Json:
    return {
        "name": chosen.name,
        "mode": chosen.mode,
        "priority": int(chosen.rank),
        "settings": stored,
        "send_before": chosen.send_before,
        "scheduled_at": chosen.scheduled_at,
    }


def _fingerprint(file: "_Counted", stored: Json) -> str:
    settings = orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(file.sha256.digest() + settings).hexdigest()


def _import(campaign_id: int, *, inline: bool) -> None:
    try:
        if inline:
            load(campaign_id, patience=INLINE_PATIENCE)
            return
    except Busy:
        pass
    except uploads.LeaseLost:
        return  # it was cancelled meanwhile, or a sweep took it over: the campaign stands
    except InWords:
        with transaction() as connection:
            campaigns.forget(connection, campaign_id)
        raise
    with transaction() as connection:
        uploads.offer(connection, campaign_id)
    publish([ImportUpload(campaign_id=campaign_id)])


class _Counted:
    """Passes bytes on while it hashes and counts them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.lines = 0

    def read(self) -> None:
        """Hash all of it and pass nothing on."""
        for _ in self:
            pass

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.sha256.update(chunk)
            self.size += len(chunk)
            self.lines += chunk.count(b"\n") or chunk.count(b"\r")
            yield chunk


_FIND_AGENTS = text("""
    SELECT key, id, opener, deleted_at FROM agent
    WHERE id = ANY (CAST(:ids AS text[])) ORDER BY key
""")


def _agents(connection: Connection, ids: list[str]) -> list[Row[Any]]:
    """Those with these ids, deleted ones too. Raises Refused for one that never was."""
    found = list(connection.execute(_FIND_AGENTS, {"ids": ids}))
    _refuse_missing(set(ids) - {agent.id for agent in found})
    return found


def _refuse_missing(ids: set[str]) -> None:
    if ids:
        raise Refused(
            "agent_not_found",
            f"There is no agent {', '.join(map(repr, sorted(ids)))}: 'volley agent list' shows "
            "those there are.",
        )


def _template(chosen: CampaignSettings, openers: list[Json | None]) -> str:
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
            "opener.template (volley agent set ID --opener-template TEXT), or the campaign a "
            "'message'.",
        )
    return template or ""
