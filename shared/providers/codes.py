"""A provider's error code as a row of data: what it means for us, how long, for whom, what to do.

Each provider's folder has its table of rows. A code can refuse a call or come later in a status
callback. The same row answers both: LATER in a refused call means that nothing was processed and
`scope` waits; in a callback `scope` waits too, but that message was accepted, so it ends failed or
undelivered, and is retryable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from shared.domain.carrier_day import until_day_ends


class Scope(StrEnum):
    """What a provider's code speaks about, and so what has to wait because of it."""

    MESSAGE = "message"
    NUMBER = "number"
    SENDER = "sender"
    COUNTRY = "country"
    AGENT = "agent"
    ACCOUNT = "account"


class Disposition(StrEnum):
    """What a code means for the message it speaks of."""

    REJECTED = "rejected"  # never again as it stands
    LATER = "later"  # nothing wrong with the message: its scope has to wait
    UNKNOWN = "unknown"  # it may have gone, or may yet arrive


class Until(StrEnum):
    """An end of a wait that is not a number of seconds."""

    MENDED = "mended"  # a person has to mend it: a hold
    DAY_ENDS = "day_ends"  # a daily cap: until the carriers' day ends


class Mark(StrEnum):
    """What a code tells us about the recipient's number for good."""

    OPTED_OUT = "opted_out"  # writes an opt-out suppression
    INVALID = "invalid"  # the number cannot be texted


@dataclass(frozen=True, slots=True)
class Code:
    """One error code. `retryable`: may `retry-failed` make a new message for this recipient?

    `known` is False for a row that was made for a number which the provider's table lacks.
    """

    number: int
    disposition: Disposition
    sentence: str
    fix: str
    scope: Scope = Scope.MESSAGE
    wait: float | Until = Until.MENDED
    retryable: bool = False
    mark: Mark | None = None
    known: bool = True

    @property
    def holds(self) -> bool:
        """Does `scope` wait because of it, also when it comes in a callback?"""
        return self.disposition is Disposition.LATER

    @property
    def opted_out(self) -> bool:
        """Does it say that this person must not be texted any more?"""
        return self.mark is Mark.OPTED_OUT

    @property
    def daily(self) -> bool:
        """Is it a cap that ends with the day?"""
        return self.wait is Until.DAY_ENDS

    def seconds(self, *, at: datetime) -> float | None:
        """How long the scope waits from `at`; None until a person mends it."""
        if self.wait is Until.DAY_ENDS:
            return until_day_ends(at)
        return None if isinstance(self.wait, Until) else self.wait


def table(*groups: Iterable[Code]) -> Mapping[int, Code]:
    """The rows by their numbers, as a provider's folder shows them; each number stands once."""
    rows = [code for group in groups for code in group]
    found = {code.number: code for code in rows}
    assert len(found) == len(rows), "a code stands in the table twice"
    return MappingProxyType(found)
