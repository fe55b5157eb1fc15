"""Redis's clock, measured from this process: all slots are instants of it.

The measure is an offset to the monotonic clock, so a step of the machine's clock moves no slot.
"""

import time
from dataclasses import dataclass
from typing import Protocol

#: Seconds. Nothing may start when the doubt about Redis's clock is larger.
MOST_DOUBT = 0.005
_PROBES = 7


class TellsTime(Protocol):
    """Gives Redis's time: the throttle does."""

    def now(self) -> float:
        """Redis's clock in Unix seconds."""


@dataclass(frozen=True, slots=True)
class RedisClock:
    """Redis's clock. `now()` is in its Unix seconds, and wrong by at most `doubt` seconds."""

    offset: float
    doubt: float

    def now(self) -> float:
        """The present instant on Redis's clock."""
        return time.monotonic() + self.offset

    @property
    def good(self) -> bool:
        """Whether the doubt is small enough to send at slots."""
        return self.doubt <= MOST_DOUBT


def measure(source: TellsTime) -> RedisClock:
    """Ask the time a few times and keep the quickest answer. Raises redis.RedisError."""
    best = RedisClock(offset=0.0, doubt=float("inf"))
    for _ in range(_PROBES):
        before = time.monotonic()
        told = source.now()
        after = time.monotonic()
        doubt = (after - before) / 2
        if doubt < best.doubt:
            best = RedisClock(offset=told - (before + after) / 2, doubt=doubt)
    return best
