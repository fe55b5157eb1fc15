"""Agents as people see them: who speaks, from what, how fast, and what holds it. Reads only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from sqlalchemy import Connection, Row, text

from shared.domain.instants import instant
from shared.opaque import Json
from shared.providers.registry import DEFAULT
from shared.views.fields import AN_INSTANT, Instant, left_out, told


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderView:
    """A number that an agent speaks from."""

    number: Annotated[str, told("In E.164, or a short code.", "+15005550006")]
    primary: Annotated[bool, told("Recipients are dealt to it first.", True)]
    segments_per_second: Annotated[
        float | None, left_out("The most it may carry, in segments a second.", 1.0)
    ] = None
    segments_per_day: Annotated[
        int | None, left_out("The most it may carry, in segments a day.", 2000)
    ] = None
    segments_today: Annotated[
        int | None, left_out("Of `segments_per_day`, those used today.", 40)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """Why an agent may not speak, or not to everybody."""

    scope: Annotated[str, told("What is held: agent, account, sender, country …", "country")]
    code: Annotated[int, told("The provider's code that held it.", 1001)]
    until: Annotated[Instant | None, told("Null until a person mends it.", AN_INSTANT)]
    fix: Annotated[str, told("What to do.", "Enable the country.")]
    subject: Annotated[
        str | None, left_out("Which sender, or which country (its calling code).", "44")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """Who speaks."""

    id: Annotated[str, told("Its id.", "sales")]
    name: Annotated[str | None, told("What people call it.", "Sales")]
    provider: Annotated[str, told("Through whom it sends.", DEFAULT)]
    senders: list[SenderView]
    messaging_service_sid: Annotated[
        str | None, told("The provider's pool of numbers it speaks from.", None)
    ]
    sessions_per_second: Annotated[float, told("Conversation starts a second.", 5.0)]
    next_sessions_per_second: Annotated[
        float | None, left_out("Conversation starts a second from `effective_at` on.", 2.0)
    ] = None
    effective_at: Annotated[
        Instant | None, left_out("From when the next pace counts.", AN_INSTANT)
    ] = None
    timezone: Annotated[str | None, told("Where it works.", "America/New_York")]
    opener: Annotated[Json | None, told("How it opens a conversation.", None)]
    status: Annotated[str, told("Whether it may speak.", "active", one_of=("active", "paused"))]
    holds: list[HoldView]
    sender_mode: Annotated[
        str,
        told("Whose account pays.", "own_account", one_of=("own_account", "platform_rental")),
    ]
    created_at: Annotated[Instant | None, told("When it was made.", AN_INSTANT)]


_SHOW = text("""
    SELECT key, id, name, provider, messaging_service_sid, timezone, opener, status, created_at,
           credentials IS NOT NULL AS own_account,
           CASE WHEN next_rate_at <= now() THEN next_rate ELSE rate END AS rate,
           CASE WHEN next_rate_at > now() THEN next_rate END AS next_rate,
           CASE WHEN next_rate_at > now() THEN next_rate_at END AS next_rate_at
    FROM agent WHERE deleted_at IS NULL AND (:everyone OR id = :id) AND id > :after
    ORDER BY id LIMIT :limit
""")
_SENDERS = text("""
    SELECT s.agent_key, s.number, s.is_primary, s.segments_per_second, s.segments_per_day,
           CASE WHEN l.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                THEN l.used ELSE 0 END AS segments_today
    FROM sender s LEFT JOIN sender_limit l ON l.number = s.number
    WHERE s.agent_key = ANY (CAST(:keys AS int[])) ORDER BY s.key
""")
_HOLDS = text("""
    SELECT agent_key, scope, subject, code, until, fix, created_at FROM hold
    WHERE agent_key = ANY (CAST(:keys AS int[])) AND lifted_at IS NULL
      AND (until IS NULL OR until > now()) ORDER BY id
""")


def show(connection: Connection, agent_id: str) -> AgentView | None:
    """One agent, or None."""
    parameters = {"everyone": False, "id": agent_id, "after": "", "limit": 1}
    rows = connection.execute(_SHOW, parameters).fetchall()
    return next(iter(_shown(connection, rows)), None)


def page(connection: Connection, *, after: str = "", limit: int = 100) -> list[AgentView]:
    """Agents in the order of their ids, those behind `after`."""
    parameters = {"everyone": True, "id": "", "after": after, "limit": limit}
    return _shown(connection, connection.execute(_SHOW, parameters).fetchall())


def _shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[AgentView]:
    keys = [row.key for row in rows]
    senders: dict[int, list[SenderView]] = defaultdict(list)
    holds: dict[int, list[HoldView]] = defaultdict(list)
    for sender in connection.execute(_SENDERS, {"keys": keys}):
        senders[sender.agent_key].append(_sender(sender))
    for hold in connection.execute(_HOLDS, {"keys": keys}):
        holds[hold.agent_key].append(_hold(hold))
    return [_agent(row, senders[row.key], holds[row.key]) for row in rows]


def _agent(row: Row[Any], senders: list[SenderView], holds: list[HoldView]) -> AgentView:
    return AgentView(
        id=row.id,
        name=row.name,
        provider=row.provider,
        senders=senders,
        messaging_service_sid=row.messaging_service_sid,
        sessions_per_second=row.rate,
        next_sessions_per_second=row.next_rate,
        effective_at=instant(row.next_rate_at),
        timezone=row.timezone,
        opener=row.opener,
        status=row.status,
        holds=holds,
        sender_mode="own_account" if row.own_account else "platform_rental",
        created_at=instant(row.created_at),
    )


def _sender(row: Row[Any]) -> SenderView:
    return SenderView(
        number=row.number,
        primary=row.is_primary,
        segments_per_second=row.segments_per_second,
        segments_per_day=row.segments_per_day,
        segments_today=None if row.segments_per_day is None else row.segments_today,
    )


def _hold(row: Row[Any]) -> HoldView:
    return HoldView(
        scope=row.scope,
        code=row.code,
        until=instant(row.until),
        fix=row.fix,
        subject=row.subject or None,
    )
