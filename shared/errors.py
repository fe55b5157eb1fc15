"""Every error Volley raises on purpose, named for what to do next.

VolleyError
├── InWords            its message is one line for a person: what is wrong, what to do
│   ├── Refused        a person asked for something we will not do
│   └── Misconfigured  this process lacks a setting, or has a wrong one; asking again is no use
└── SendError          what became of one call to a provider
    ├── Rejected       never again: the number, the text or the account is refused
    ├── Later          not now; nothing went wrong; ask again; not an attempt
    ├── Unreachable    provably not sent; safe to try again
    └── Unknown        it may have arrived; never resend blindly, wait for evidence
"""

from enum import StrEnum
from typing import Any

from shared.legible import in_one_line
from shared.opaque import Json


class VolleyError(Exception):
    """Base of all errors raised on purpose."""


class InWords(VolleyError):
    """An error whose message is one line for a person: what is wrong, what to do.

    `code` is a word for programs, `details` what they may want to know beside it.
    """

    def __init__(self, code: str, message: str, *, details: Json | None = None) -> None:
        # Both quote what strangers wrote: a column's name may hold escapes for a terminal.
        message = in_one_line(message)
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Json = _readable(details or {})


class Refused(InWords):
    """A request that cannot be met as it stands."""


class Misconfigured(InWords):
    """A process that cannot do its work with the settings it has.

    No `Refused`: a loop that outlives what people ask and what servers do must not outlive this.
    """


def _readable(details: Any) -> Any:
    if isinstance(details, str):
        return in_one_line(details)
    if isinstance(details, dict):
        return {name: _readable(value) for name, value in details.items()}
    return [*map(_readable, details)] if isinstance(details, list | tuple) else details


class Scope(StrEnum):
    """What a provider's code speaks about, and so what has to wait because of it."""

    MESSAGE = "message"
    NUMBER = "number"
    SENDER = "sender"
    COUNTRY = "country"
    AGENT = "agent"
    ACCOUNT = "account"


class SendError(VolleyError):
    """What became of one call to a provider, when it was not accepted."""

    def __init__(
        self, sentence: str, *, code: int | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.http_status = http_status


class Rejected(SendError):
    """Never again: the provider refused this number, text or option for good."""


class Later(SendError):
    """Not now. Not an attempt: the provider did not process the call.

    `seconds` is how long `scope` must wait; None means until a person mends it (a hold).
    """

    #: the provider named the time itself, in a Retry-After
    told = False

    def __init__(
        self,
        sentence: str,
        *,
        scope: Scope,
        seconds: float | None,
        code: int | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(sentence, code=code, http_status=http_status)
        self.scope = scope
        self.seconds = seconds


class Unreachable(SendError):
    """Not a byte of the request was written, so it did not go. Safe to try again."""


class Unknown(SendError):
    """Time-out, reset, 5xx or an unreadable answer: it may have gone. Evidence decides."""
