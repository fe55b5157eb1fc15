"""A provider's error code as a row of data: its meaning, its scope, how long to wait, the fix.

Each provider's folder has its table of rows. A code can come with a refused call or later in a
status callback, and one row serves both. LATER in a refused call: the provider processed nothing,
and `scope` waits. In a callback `scope` waits too, but that message was accepted, so it ends failed
or undelivered, and is retryable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from shared.domain.carrier_day import until_day_ends


class Scope(StrEnum):
    """What a code concerns, and so what has to wait."""

    MESSAGE = "message"
    NUMBER = "number"
    SENDER = "sender"
    COUNTRY = "country"
    AGENT = "agent"
    ACCOUNT = "account"


class Disposition(StrEnum):
    """The meaning of a code for its message."""

    REJECTED = "rejected"  # never accepted as it is
    LATER = "later"  # the message is fine: its scope has to wait
    UNKNOWN = "unknown"  # it may have gone, or may yet arrive


class Until(StrEnum):
    """The end of a wait that has no fixed length."""

    FIXED = "fixed"  # a person has to fix it: a hold
    DAY_ENDS = "day_ends"  # a daily cap: until the carriers' day ends


class Mark(StrEnum):
    """A lasting fact about the recipient's number."""

    OPTED_OUT = "opted_out"  # writes an opt-out suppression
    INVALID = "invalid"  # the number cannot be texted


@dataclass(frozen=True, slots=True)
class Code:
    """One error code. `retryable`: `retry-failed` may make a new message for this recipient.

    `known` is False for a row that was made for a code missing in the provider's table.
    """

    number: int
    disposition: Disposition
    sentence: str
    fix: str
    scope: Scope = Scope.MESSAGE
    wait: float | Until = Until.FIXED
    retryable: bool = False
    mark: Mark | None = None
    known: bool = True

    @property
    def holds(self) -> bool:
        """Whether `scope` waits because of it, also when it comes in a callback."""
        return self.disposition is Disposition.LATER

    @property
    def opted_out(self) -> bool:
        """Whether it says that this person must not be texted any more."""
        return self.mark is Mark.OPTED_OUT

    @property
    def daily(self) -> bool:
        """Whether it is a cap that ends with the day."""
        return self.wait is Until.DAY_ENDS

    def seconds(self, *, at: datetime) -> float | None:
        """Seconds that the scope waits from `at`; None: until a person fixes it."""
        if self.wait is Until.DAY_ENDS:
            return until_day_ends(at)
        return None if isinstance(self.wait, Until) else self.wait


def table(*groups: Iterable[Code]) -> Mapping[int, Code]:
    """The rows by their numbers, for a provider's folder; each number stands once."""
    rows = [code for group in groups for code in group]
    found = {code.number: code for code in rows}
    assert len(found) == len(rows), "a code stands in the table twice"
    return MappingProxyType(found)
