"""Errors of calls that a provider did not accept, named for what to do next.

SendError
├── Rejected       never again: the number, the text or the account is refused
├── Later          not now; nothing went wrong; ask again; not an attempt
├── Unreachable    provably not sent; safe to try again
└── Unknown        it may have arrived; never resend blindly, wait for evidence
"""

from shared.errors import VolleyError
from shared.providers.codes import Code, Scope


class SendError(VolleyError):
    """A call that the provider did not accept.

    `row` is the row of the provider's table for the code of its answer; None without a code. It
    has all that a handler needs to know of the code, so handlers look up nothing.
    """

    def __init__(
        self, sentence: str, *, row: Code | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.row = row
        self.http_status = http_status

    @property
    def code(self) -> int | None:
        """The provider's error code; None when it gave none."""
        return self.row.number if self.row else None


class Rejected(SendError):
    """Never again: the provider refused this number, text or option for good."""

    @property
    def opted_out(self) -> bool:
        """Whether the reason is that this person has opted out."""
        return self.row is not None and self.row.opted_out


class Later(SendError):
    """Not now. Not an attempt: the provider did not process the call.

    `seconds` is how long `scope` must wait; None means until a person fixes it (a hold).
    `provider_named_time` is True when the provider gave that time in a Retry-After.
    """

    def __init__(
        self,
        sentence: str,
        *,
        scope: Scope,
        seconds: float | None,
        provider_named_time: bool = False,
        row: Code | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(sentence, row=row, http_status=http_status)
        self.scope = scope
        self.seconds = seconds
        self.provider_named_time = provider_named_time

    @property
    def fix(self) -> str:
        """What a person can do about it; the error's sentence when there is no code."""
        return self.row.fix if self.row else self.sentence

    @property
    def for_people(self) -> bool:
        """Whether people should see the wait: it lasts until a fix, or until the day ends."""
        return self.seconds is None or (self.row is not None and self.row.daily)


class Unreachable(SendError):
    """No byte of the request was written, so it did not go. Safe to try again."""


class Unknown(SendError):
    """Time-out, reset, 5xx or an unreadable answer: it may have gone. Evidence decides."""
