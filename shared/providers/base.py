"""The interface to providers: values, and one small protocol for each ability.

Nothing here depends on a provider. An adapter without an ability does not have its method.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast
from uuid import UUID

from shared.errors import VolleyError
from shared.opaque import Json

Gate = Callable[[], None]
"""Called after a connection was taken, right before the write. If it raises, nothing is written."""

Wrote = Callable[[], None]
"""Called right after the write, with no await between. Must not raise."""


class Forged(VolleyError):
    """A callback with a wrong signature, or one that cannot be read. The edge does not say why."""


class Credentials(Protocol):
    """One account at a provider, hashable. Only the provider's folder reads its other fields.

    Its repr shows no secret, so no log does.
    """

    @property
    def account(self) -> str:
        """The account's id at the provider."""

    @property
    def callback_keys(self) -> tuple[str, ...]:
        """The keys that verify the account's callbacks; one that fits is enough."""

    @property
    def url_from_agent(self) -> bool:
        """Whether a user gave the API's address: then it must not lead into our network."""


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One provider message (a part): what is sent, from whom, and where its callbacks go.

    `sender_pool` is the provider's id of a pool of senders; the provider chooses one of them.
    `options` are the campaign's, by name in snake_case; the adapter has the table of accepted ones.
    `part` counts from 0. The provider must stop trying after `seconds_left`; None: no limit.
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
    """One status callback in our words, with the provider's words beside them.

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
    """What a provider can do; tests/conformance checks every adapter against its own values.

    The reconciler and the poller read `can_list` (recent messages: Lists) and `can_fetch` (one
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
        """Whether a warm connection is free; if not, the adapter opens one."""

    def warm(self, count: int) -> None:
        """Open connections until `count` are idle or being opened. Returns at once."""

    async def send(self, text: OutboundText, *, gate: Gate, wrote: Wrote) -> Accepted:
        """One call, never repeated.

        Raises Unreachable (nothing written), Later (not processed), Rejected (never again),
        Unknown (it may have gone), or the error that `gate` raises (nothing written).
        """

    async def close(self) -> None:
        """Close every connection. Calls in flight end as Unknown."""


class Lists(Protocol):
    """Lists messages that the provider took. Methods raise SendError when it does not answer."""

    async def list_to(self, to: str, *, created_after: datetime) -> list[Listed]:
        """All messages to this number created since, to the last page."""

    async def newest(self, limit: int) -> list[Listed]:
        """The account's newest messages, no filter: the reconciler's witness."""


class Fetches(Protocol):
    """Looks up one message. Raises SendError when the provider does not answer."""

    async def fetch(self, sid: str) -> Listed | None:
        """One message, or None if the provider has none by that id."""


def lists(adapter: Sends) -> Lists | None:
    """The adapter, if its provider can list messages; else None."""
    return cast("Lists", adapter) if adapter.abilities.can_list else None


def fetches(adapter: Sends) -> Fetches | None:
    """The adapter, if its provider can look up one message; else None."""
    return cast("Fetches", adapter) if adapter.abilities.can_fetch else None


class Reports(Protocol):
    """Reads a provider's signed callbacks. A module may implement it."""

    def status_callback_url(
        self, public_url: str, *, message_id: int, part: int, token: UUID
    ) -> str:
        """The address for the status callbacks of one attempt."""

    def account_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The account that the callback names; not proved before `verify`."""

    def verify(
        self, url: str, headers: Mapping[str, str], *, body: bytes, tokens: Sequence[str]
    ) -> dict[str, str]:
        """The callback's parameters. Raises Forged."""

    def parse(self, query: str, params: Mapping[str, str], *, raw: str = "") -> Receipt:
        """The receipt in a verified callback."""
