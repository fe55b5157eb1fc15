"""What a worker must know of an agent or a campaign to make a call: read seldom, cached by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.errors import Misconfigured
from shared.opaque import Json
from shared.secrets import unseal


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """One agent as its calls need it."""

    key: int
    id: str
    provider: str
    account: str
    rate: float
    #: the provider's own word for senders among which it chooses by itself
    sender_pool: str | None
    #: its own account's credentials, opened; None for the platform's
    own: Json | None
    #: why its credentials cannot be opened: it cannot speak until a person mends that
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """One campaign as its calls need it."""

    id: int
    options: Json
    send_before: datetime | None


_AGENTS = text("""
    SELECT key, id, provider, account,
           CASE WHEN next_rate_at <= now() THEN next_rate ELSE rate END AS rate,
           messaging_service_sid AS sender_pool, credentials
    FROM agent WHERE key = ANY (CAST(:keys AS int[]))
""")
_ACTIVE = text("SELECT key FROM agent WHERE status = 'active' AND deleted_at IS NULL")
_CAMPAIGNS = text("""
    SELECT id, settings -> 'options' AS options, send_before FROM campaign
    WHERE id = ANY (CAST(:ids AS int[]))
""")


def agents(connection: Connection, keys: Sequence[int]) -> list[AgentFacts]:
    """The facts of these agents."""
    return [_agent(row) for row in connection.execute(_AGENTS, {"keys": list(keys)})]


def _agent(row: Row[Any]) -> AgentFacts:
    own, trouble = opened(row.credentials)
    return AgentFacts(
        key=row.key,
        id=row.id,
        provider=row.provider,
        account=row.account,
        rate=row.rate,
        sender_pool=row.sender_pool,
        own=own,
        trouble=trouble,
    )


def opened(sealed: bytes | None) -> tuple[Json | None, str | None]:
    """An agent's own credentials, or why they cannot be opened: its trouble is no other's."""
    try:
        return (unseal(bytes(sealed)) if sealed else None), None
    except Misconfigured as error:
        return None, error.message


def active_agents(connection: Connection) -> list[int]:
    """Keys of all agents that may speak."""
    return [row.key for row in connection.execute(_ACTIVE)]


def campaigns(connection: Connection, ids: Sequence[int]) -> list[CampaignFacts]:
    """The facts of these campaigns."""
    found = connection.execute(_CAMPAIGNS, {"ids": list(ids)})
    return [CampaignFacts(row.id, row.options or {}, row.send_before) for row in found]
