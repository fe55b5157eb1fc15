"""How many slots the senders of the whole cluster met and missed: what the dispatcher steers by;
and how often lanes have changed: what it need not wait to look up.

Disposable counts in Redis. A flush starts them anew; whoever reads them looks at differences only.
"""

from typing import Any

_TALLY = "volley:throttle:tally"
#: Who subscribes to it hears of every nudge.
NUDGES = "volley:throttle:nudges"


class Tally:
    """Counts over all processes. Raises redis.RedisError when it cannot be asked."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    def add(self, *, met: int, missed: int) -> None:
        """Count so many starts that were written in their slot, and so many that were not."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hincrby(_TALLY, "met", met)
        pipe.hincrby(_TALLY, "missed", missed)
        pipe.execute()

    def nudge(self) -> None:
        """Lanes have changed: dispatchers look at the next tick instead of a little later, and one
        that sleeps wakes.
        """
        pipe = self._redis.pipeline(transaction=False)
        pipe.hincrby(_TALLY, "changes", 1)
        pipe.publish(NUDGES, "")
        pipe.execute()

    def read(self) -> tuple[int, int, int]:
        """(met, missed, changes) since the store was last flushed."""
        met, missed, changes = self._redis.hmget(_TALLY, "met", "missed", "changes")
        return int(met or 0), int(missed or 0), int(changes or 0)
