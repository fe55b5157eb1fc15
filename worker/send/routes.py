"""A cache of agents and campaigns for calls, read again every few seconds.

The claiming thread fills it, the event loop reads it. A changed secret or option takes effect
within `FRESH_FOR` seconds. The claim checks what must take effect at once.
"""

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from shared.errors import InWords, Misconfigured
from shared.ledger import routing
from shared.ledger.claim import Claimed
from shared.ledger.routing import AgentFacts, CampaignFacts
from shared.providers.accounts import account_name, credentials_for
from shared.providers.base import Credentials

FRESH_FOR = 5.0
#: Seconds without a message after which an entry is read again only when it is needed.
WANTED_FOR = 10.0


@dataclass(frozen=True, slots=True)
class Route:
    """How one message is sent: its agent, its campaign, the account that pays."""

    agent: AgentFacts
    campaign: CampaignFacts
    credentials: Credentials

    @property
    def account(self) -> str:
        """The name of the account that pays."""
        return account_name(self.agent.provider, self.credentials.account)


class RouteCache:
    """A small cache with ages. Only the claiming thread writes it."""

    def __init__(self) -> None:
        self._agents: dict[int, AgentFacts] = {}
        self._campaigns: dict[int, CampaignFacts] = {}
        self._credentials: dict[int, Credentials | InWords] = {}
        self._read_at: dict[tuple[str, int], float] = {}
        self._wanted_at: dict[tuple[str, int], float] = {}

    def refresh(self, connection: Connection, claimed: Iterable[Claimed]) -> None:
        """Read the agents and campaigns of these messages that are missing or old."""
        claimed = list(claimed)
        self.refresh_agents(connection, self._old("agent", {c.agent_key for c in claimed}))
        self.refresh_agents(connection, sorted({c.agent_key for c in claimed if self._moved(c)}))
        old = self._old("campaign", {c.campaign_id for c in claimed})
        for campaign in routing.campaigns(connection, old) if old else ():
            self._campaigns[campaign.id] = campaign
            self._read_at["campaign", campaign.id] = time.monotonic()

    def refresh_agents(self, connection: Connection, keys: list[int]) -> list[AgentFacts]:
        """Read these agents now."""
        found = routing.agents(connection, keys) if keys else []
        for agent in found:
            self._agents[agent.key] = agent
            self._credentials[agent.key] = _credentials(agent)
            self._read_at["agent", agent.key] = time.monotonic()
        return found

    def route(self, claimed: Claimed) -> Route:
        """The route of this message; `refresh` must have read its agent and campaign.

        Raises an error InWords when the agent has no usable account.
        """
        credentials = self._credentials[claimed.agent_key]
        if isinstance(credentials, InWords):
            raise credentials
        return Route(
            agent=self.agent(claimed),
            campaign=self._campaigns[claimed.campaign_id],
            credentials=credentials,
        )

    def agent(self, claimed: Claimed) -> AgentFacts:
        """The agent of this message."""
        return self._agents[claimed.agent_key]

    def accounts_of(self, claimed: Iterable[Claimed]) -> dict[tuple[str, Credentials], int]:
        """How many of these messages each (provider, credentials) will send."""
        agents = Counter(one.agent_key for one in claimed)
        found: Counter[tuple[str, Credentials]] = Counter()
        for key, messages in agents.items():
            credentials = self._credentials[key]
            if not isinstance(credentials, InWords):
                found[self._agents[key].provider, credentials] += messages
        return found

    def accounts(self) -> set[tuple[str, Credentials]]:
        """(provider, credentials) of all agents in the cache."""
        known = {(a.provider, self._credentials[a.key]) for a in self._agents.values()}
        return {(provider, c) for provider, c in known if not isinstance(c, InWords)}

    def _moved(self, claimed: Claimed) -> bool:
        """Whether the agent's account has changed since the attempt was claimed."""
        credentials = self._credentials.get(claimed.agent_key)
        if claimed.account is None or credentials is None or isinstance(credentials, InWords):
            return False
        provider = self._agents[claimed.agent_key].provider
        return claimed.account != account_name(provider, credentials.account)

    def _old(self, kind: str, keys: set[int]) -> list[int]:
        """The keys to read: none while all are fresh, else all that are old or soon will be.

        Otherwise thousands of agents would be read one by one, each when it gets old.
        """
        now = time.monotonic()

        def age(key: int) -> float:
            return now - self._read_at.get((kind, key), -math.inf)

        for key in keys:
            self._wanted_at[kind, key] = now
        if max(map(age, keys), default=0.0) < FRESH_FOR:
            return []
        lately = {k for k, at in self._wanted_at.items() if now - at < WANTED_FOR}
        self._wanted_at = {k: at for k, at in self._wanted_at.items() if k in lately}
        return sorted(key for of, key in lately if of == kind and age(key) > FRESH_FOR / 2)


def _credentials(agent: AgentFacts) -> Credentials | InWords:
    """The account that pays, or the error: one agent's bad credentials must not stop the others."""
    if agent.trouble is not None:
        return Misconfigured("wrong_secret_key", agent.trouble)
    try:
        return credentials_for(agent.provider, agent.own)
    except InWords as error:
        return error
