"""What every provider speaks, and what it may be asked: values, and one small protocol per ability.

Nothing here knows any provider. An adapter that cannot do a thing does not have its method.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast
from uuid import UUID

from shared.errors import VolleyError
from shared.opaque import Json

Gate = Callable[[], None]
"""Asked with a connection in hand, right before the write. Raising stops it: nothing is written."""

Wrote = Callable[[], None]
"""Told in the same breath, right after the write. Must not raise."""


class Forged(VolleyError):
    """A callback that its provider did not sign, or that cannot be read: nobody may be told why."""


class Credentials(Protocol):
    """One account at a provider, hashable. What else is in it only the provider's folder reads.

    Secrets never show in its repr, so never in a log.
    """

    @property
    def account(self) -> str:
        """The account's id at the provider."""

    @property
    def callback_keys(self) -> tuple[str, ...]:
        """What verifies the account's callbacks: any of these."""

    @property
    def url_from_agent(self) -> bool:
        """Whether a user typed the API's address: it may not lead to our own network."""


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One provider message (a part): what is sent, from whom, and where its callbacks go.

    `sender_pool` is the provider's own word for senders among which it chooses by itself.
    `options` are the campaign's, by name in snake_case; the adapter has the table of accepted ones.
    `part` counts from 0. After `seconds_left` the provider must try no more; None: no such end.
    """

    to: str
    body: str
    sender: str | None
    sender_pool: str | None
    status_callback: str
    options: Json = field(default_factory=dict)
    part: int = 0
    seconds_left: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `status` is ours, `provider_status` the provider's own word.

    `segments` is None when the provider has not counted them yet.
    """

    sid: str
    status: str
    segments: int | None
    provider_status: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as the provider shows it afterwards.

    `status` is ours (see Receipt), None for a word we do not know; `provider_status` is as it came.
    """

    sid: str
    to: str | None
    sender: str | None
    sender_pool: str | None
    body: str | None
    direction: str | None
    status: str | None
    error_code: int | None
    created_at: datetime | None
    provider_status: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one status callback says, in our words, with the provider's own kept beside them.

    `status` is accepted, sent, delivered, undelivered, failed or cancelled; None for a word we do
    not know. `message_id`, `part` and `token` come from our own URL; None when it carries none.
    """

    provider: str
    account: str
    sid: str
    status: str | None
    provider_status: str
    error_code: int | None
    message_id: int | None
    part: int | None
    token: UUID | None
    raw: str


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a provider can do, as facts; tests/conformance holds every adapter to its own.

    Reconciler and poller decide by `can_list` (what it took lately: Lists) and `can_fetch` (one
    message by its id: Fetches).
    """

    returns_id: bool
    can_fetch: bool
    can_list: bool
    idempotency_key: bool
    callbacks_carry_our_token: bool


class Sends(Protocol):
    """Can open a conversation with a text."""

    abilities: Abilities

    def ready(self) -> bool:
        """Is a warm connection in hand? If not, one is asked for: for whoever can wait."""

    def warm(self, count: int) -> None:
        """See to it that `count` connections are idle or on their way. Returns at once."""

    async def send(self, text: OutboundText, *, gate: Gate, wrote: Wrote) -> Accepted:
        """One call, never repeated.

        Raises Unreachable (nothing written), Later (not processed), Rejected (never again),
        Unknown (it may have gone), or whatever `gate` raises (nothing written).
        """

    async def close(self) -> None:
        """Close every connection. Calls in flight end as Unknown."""


class Lists(Protocol):
    """Can be asked afterwards what it took. Methods raise SendError when it cannot be asked."""

    async def list_to(self, to: str, *, created_after: datetime) -> list[Listed]:
        """All messages to this number created since, to the last page."""

    async def newest(self, limit: int) -> list[Listed]:
        """The account's newest messages, no filter: the reconciler's witness."""


class Fetches(Protocol):
    """Can be asked about one message. Raises SendError when it cannot be asked."""

    async def fetch(self, sid: str) -> Listed | None:
        """One message, or None if the provider has none by that id."""


def lists(adapter: Sends) -> Lists | None:
    """The adapter as one that can be asked what its provider took; None when it cannot."""
    return cast("Lists", adapter) if adapter.abilities.can_list else None


def fetches(adapter: Sends) -> Fetches | None:
    """The adapter as one that can be asked about one message; None when it cannot."""
    return cast("Fetches", adapter) if adapter.abilities.can_fetch else None


class Reports(Protocol):
    """Sends us signed callbacks. A module may be one."""

    def status_callback_url(
        self, public_url: str, *, message_id: int, part: int, token: UUID
    ) -> str:
        """Where it reports on one attempt."""

    def account_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The account that the callback names. A claim, until `verify` has been passed."""

    def verify(
        self, url: str, headers: Mapping[str, str], *, body: bytes, tokens: Sequence[str]
    ) -> dict[str, str]:
        """The callback's parameters. Raises Forged."""

    def parse(self, query: str, params: Mapping[str, str], *, raw: str = "") -> Receipt:
        """What a verified callback says."""
