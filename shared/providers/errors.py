"""What became of a call to a provider that was not accepted: errors named for what to do next.

SendError
├── Rejected       never again: the number, the text or the account is refused
├── Later          not now; nothing went wrong; ask again; not an attempt
├── Unreachable    provably not sent; safe to try again
└── Unknown        it may have arrived; never resend blindly, wait for evidence
"""

from shared.errors import VolleyError
from shared.providers.codes import Code, Scope


class SendError(VolleyError):
    """What became of one call to a provider, when it was not accepted.

    `row` is the row of the provider's table for the code that it answered with; None without a
    code. Whoever handles the error finds there what the code means: nobody looks it up again.
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
        """The provider's number for it; None when it gave none."""
        return self.row.number if self.row else None


class Rejected(SendError):
    """Never again: the provider refused this number, text or option for good."""

    @property
    def opted_out(self) -> bool:
        """Whether it was refused because this person has opted out."""
        return self.row is not None and self.row.opted_out


class Later(SendError):
    """Not now. Not an attempt: the provider did not process the call.

    `seconds` is how long `scope` must wait; None means until a person mends it (a hold).
    `provider_named_time` is True when the provider itself named that time, in a Retry-After.
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
        """What a person can do about it; the sentence itself when there is no code."""
        return self.row.fix if self.row else self.sentence

    @property
    def for_people(self) -> bool:
        """Whether people should see the wait: until it is mended, or until the day ends."""
        return self.seconds is None or (self.row is not None and self.row.daily)


class Unreachable(SendError):
    """Not a byte of the request was written, so it did not go. Safe to try again."""


class Unknown(SendError):
    """Time-out, reset, 5xx or an unreadable answer: it may have gone. Evidence decides."""
