"""The agents there are: their rows, their senders, and how they are shown."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from shared.domain.instants import instant
from shared.ledger import sender_limits


@dataclass(frozen=True, slots=True)
class NewSender:
    """A number an agent is to speak from, and how many segments it may carry; None: any number."""

    number: str
    is_primary: bool = False
    segments_per_second: float | None = None
    segments_per_day: int | None = None


# A deleted agent's id may be used again: its row lives on for the messages that name it.
_ADD = text("""
    INSERT INTO agent (id, name, provider, messaging_service_sid, rate, next_rate, next_rate_at,
                       timezone, opener, credentials, account)
    VALUES (:id, :name, :provider, :messaging_service_sid, :rate, :next_rate, :next_rate_at,
            :timezone, CAST(:opener AS jsonb), :credentials, :account)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, provider = excluded.provider,
        messaging_service_sid = excluded.messaging_service_sid, rate = excluded.rate,
        next_rate = excluded.next_rate, next_rate_at = excluded.next_rate_at,
        timezone = excluded.timezone, opener = excluded.opener,
        credentials = excluded.credentials, account = excluded.account, status = 'active',
        created_at = now(), deleted_at = NULL
        WHERE agent.deleted_at IS NOT NULL
    RETURNING key
""")
_CHANGE = text("""
    UPDATE agent SET name = :name, messaging_service_sid = :messaging_service_sid, rate = :rate,
        next_rate = :next_rate, next_rate_at = :next_rate_at, timezone = :timezone,
        opener = CAST(:opener AS jsonb), credentials = :credentials, account = :account,
        status = :status
    WHERE key = :key
""")
_LOCK = text("""
    SELECT key, id, name, provider, messaging_service_sid, timezone, opener, credentials, account,
           status, CASE WHEN next_rate_at <= now() THEN next_rate ELSE rate END AS rate,
           CASE WHEN next_rate_at > now() THEN next_rate END AS next_rate,
           CASE WHEN next_rate_at > now() THEN next_rate_at END AS next_rate_at
    FROM agent WHERE id = :id AND deleted_at IS NULL FOR UPDATE
""")
_DELETE = text("UPDATE agent SET deleted_at = now(), status = 'paused' WHERE key = :key")
_CLEAR_SENDERS = text("DELETE FROM sender WHERE agent_key = :key RETURNING number")
_ADD_SENDER = text("""
    INSERT INTO sender (agent_key, number, is_primary, segments_per_second, segments_per_day)
    VALUES (:key, :number, :is_primary, :segments_per_second, :segments_per_day)
""")
_UNLIMIT = text("""
    UPDATE sender SET segments_per_second = NULL, segments_per_day = NULL
    WHERE agent_key = :key RETURNING number
""")
_HAS_SENDER = text("SELECT EXISTS (SELECT 1 FROM sender WHERE agent_key = :key)")
# A deleted agent's numbers are still ours.
_SENDER_NUMBERS = text("""
    SELECT s.number, min(a.id) AS agent FROM sender s JOIN agent a ON a.key = s.agent_key
    GROUP BY s.number
""")
_UNFINISHED = text("""
    SELECT c.id FROM lane l JOIN campaign c ON c.id = l.campaign_id
    WHERE l.agent_key = :key AND c.status NOT IN ('finished', 'cancelled') ORDER BY c.id
""")
_MOVE_ACCOUNT = text("""
    UPDATE agent SET account = :account
    WHERE provider = :provider AND credentials IS NULL AND account <> :account
""")


def sender_numbers(connection: Connection) -> dict[str, str]:
    """Every number that some agent sends from, and the id of one that does."""
    return {row.number: row.agent for row in connection.execute(_SENDER_NUMBERS)}


def add(connection: Connection, columns: dict[str, Any], senders: Sequence[NewSender]) -> bool:
    """A new agent with its senders; False when its id is taken."""
    key = connection.execute(_ADD, _stored(columns)).scalar()
    if key is None:
        return False
    replace_senders(connection, key, senders)
    return True


def lock(connection: Connection, agent_id: str) -> Row[Any] | None:
    """The agent's row, ours until the transaction ends. Its rate is the one that counts now."""
    return connection.execute(_LOCK, {"id": agent_id}).one_or_none()


def change(connection: Connection, key: int, columns: dict[str, Any]) -> None:
    """Write all columns that can change."""
    connection.execute(_CHANGE, _stored(columns) | {"key": key})


def replace_senders(connection: Connection, key: int, senders: Sequence[NewSender]) -> None:
    """The primary sender first: claims deal recipients to senders in this order.

    To be called after everything that locks messages: see `limits.settle`.
    """
    sender_limits.lock(connection)
    touched = set(connection.execute(_CLEAR_SENDERS, {"key": key}).scalars())
    for sender in sorted(senders, key=lambda sender: not sender.is_primary):
        connection.execute(_ADD_SENDER, asdict(sender) | {"key": key})
        touched.add(sender.number)
    sender_limits.settle(connection, sorted(touched))


def has_sender(connection: Connection, key: int) -> bool:
    """Whether the agent has a number of its own to speak from."""
    return bool(connection.execute(_HAS_SENDER, {"key": key}).scalar_one())


def delete(connection: Connection, key: int) -> None:
    """The agent is gone for people; its messages keep their row. Its limits hold for nobody."""
    connection.execute(_DELETE, {"key": key})
    sender_limits.lock(connection)
    sender_limits.settle(connection, sorted(connection.execute(_UNLIMIT, {"key": key}).scalars()))


def unfinished_campaigns(connection: Connection, key: int) -> list[int]:
    """Ids of the campaigns that still need the agent."""
    return list(connection.execute(_UNFINISHED, {"key": key}).scalars())


def move_account(connection: Connection, provider: str, account: str) -> int:
    """Agents without an account of their own use the platform's, which settings may change."""
    return connection.execute(_MOVE_ACCOUNT, {"provider": provider, "account": account}).rowcount


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


def show(connection: Connection, agent_id: str) -> dict[str, Any] | None:
    """One agent as the API shows it, or None."""
    parameters = {"everyone": False, "id": agent_id, "after": "", "limit": 1}
    rows = connection.execute(_SHOW, parameters).fetchall()
    return next(iter(_shown(connection, rows)), None)


def page(connection: Connection, *, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Agents in the order of their ids, those behind `after`."""
    parameters = {"everyone": True, "id": "", "after": after, "limit": limit}
    return _shown(connection, connection.execute(_SHOW, parameters).fetchall())


def _shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    keys = [row.key for row in rows]
    senders: dict[int, list[dict[str, Any]]] = defaultdict(list)
    holds: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for sender in connection.execute(_SENDERS, {"keys": keys}):
        senders[sender.agent_key].append(_sender(sender))
    for hold in connection.execute(_HOLDS, {"keys": keys}):
        holds[hold.agent_key].append(_hold(hold))
    return [_agent(row, senders[row.key], holds[row.key]) for row in rows]


def _agent(
    row: Row[Any], senders: list[dict[str, Any]], holds: list[dict[str, Any]]
) -> dict[str, Any]:
    coming = {}
    if row.next_rate_at is not None:
        coming = {
            "next_sessions_per_second": row.next_rate,
            "effective_at": instant(row.next_rate_at),
        }
    return {
        "id": row.id,
        "name": row.name,
        "provider": row.provider,
        "senders": senders,
        "messaging_service_sid": row.messaging_service_sid,
        "sessions_per_second": row.rate,
        **coming,
        "timezone": row.timezone,
        "opener": row.opener,
        "status": row.status,
        "holds": holds,
        "sender_mode": "own_account" if row.own_account else "platform_rental",
        "created_at": instant(row.created_at),
    }


def _sender(row: Row[Any]) -> dict[str, Any]:
    shown = {"number": row.number, "primary": row.is_primary}
    if row.segments_per_second is not None:
        shown["segments_per_second"] = row.segments_per_second
    if row.segments_per_day is not None:
        shown["segments_per_day"] = row.segments_per_day
        shown["segments_today"] = row.segments_today
    return shown


def _hold(row: Row[Any]) -> dict[str, Any]:
    shown = {"scope": row.scope, "code": row.code, "until": instant(row.until), "fix": row.fix}
    return shown | ({"subject": row.subject} if row.subject else {})


def _stored(columns: dict[str, Any]) -> dict[str, Any]:
    opener = columns.get("opener")
    return columns | {"opener": None if opener is None else orjson.dumps(opener).decode()}
