"""What a provider's guest file must give to the suite."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.providers.base import Credentials, OutboundText
from shared.providers.codes import Scope


class Fate(StrEnum):
    """What becomes of a text. The guest knows a number for each; no two texts share one."""

    DELIVERED = "accepted, sent, delivered, with a callback for each of the last two"
    UNDELIVERED = "accepted, sent, undelivered, with an error code"
    BUSY = "not processed: too many calls, Retry-After: 1"
    FULL = "not processed: the sender's queue is full"
    HELD = "not processed: the account's credentials are refused"
    REFUSED = "refused for good: the number cannot be texted"
    LOST_ERROR = "accepted; the answer is a 5xx"
    LOST_RESET = "accepted; the connection is reset instead of an answer"
    LOST_HANG = "accepted; no answer comes"
    LOST_TRUNCATED = "accepted; the answer breaks off in its middle"
    DROPPED_ERROR = "not accepted; the answer is a 5xx"
    DROPPED_RESET = "not accepted; the connection is reset instead of an answer"
    DROPPED_HANG = "not accepted; no answer comes"
    FORGED = "before each callback comes one that the provider did not sign"
    OTHER_ACCOUNT = "before each callback comes one that names another account"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One text that reached the provider; `accepted` is what it did, whatever it answered."""

    to: str
    body: str
    accepted: bool


class Guest(Protocol):
    """One provider with its simulator running."""

    provider: str
    credentials: Credentials
    account: str
    """How callbacks name the account."""
    signing_tokens: Sequence[str]
    """What the account's callbacks are verified with."""
    strange_tokens: Sequence[str]
    """The same of another account."""
    unknown_id: str
    """An id in the provider's form, of no message."""

    def text(self, fate: Fate, *, body: str = "Hi Ana", callback: str) -> OutboundText:
        """A text to a number with this fate; `callback` is where its status is reported."""

    def arrivals(self) -> list[Arrival]:
        """Every text that reached the provider so far, from the simulator's own log."""

    def refuse_look_ups(self) -> None:
        """From now on the provider cannot be asked for lists."""

    def stop(self) -> None:
        """Nobody listens at the provider's address any more. Harmless when repeated."""


SCOPES = {Fate.BUSY: Scope.ACCOUNT, Fate.FULL: Scope.SENDER, Fate.HELD: Scope.ACCOUNT}
"""What has to wait."""

LOST = [Fate.LOST_ERROR, Fate.LOST_RESET, Fate.LOST_HANG, Fate.LOST_TRUNCATED]
DROPPED = [Fate.DROPPED_ERROR, Fate.DROPPED_RESET, Fate.DROPPED_HANG]


class Start(Protocol):
    """A guest file's one public name, `start`."""

    def __call__(self) -> AbstractContextManager[Guest]: ...
