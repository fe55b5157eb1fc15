"""Redis's clock, as seen from this process: all slots are instants of it.

Measured against the monotonic clock, so that a step of the machine's own time moves no slot.
"""

import time
from dataclasses import dataclass
from typing import Protocol

#: More doubt than this about what time it is, and nothing may start.
MOST_DOUBT = 0.005
_PROBES = 7


class TellsTime(Protocol):
    """The throttle, as far as clocks are concerned."""

    def now(self) -> float:
        """Redis's clock in Unix seconds."""


@dataclass(frozen=True, slots=True)
class RedisClock:
    """`now()` in Redis's Unix seconds, good to `doubt` seconds."""

    offset: float
    doubt: float

    def now(self) -> float:
        """The present instant on Redis's clock."""
        return time.monotonic() + self.offset

    @property
    def good(self) -> bool:
        """Whether it is known well enough to keep slots by."""
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
