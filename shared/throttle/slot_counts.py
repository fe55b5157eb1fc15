"""Counts in Redis over all processes: slots that workers met, slots they missed, lane changes.

The dispatcher limits its starts by the first two, and reads its lanes again when the third changes.
A flush resets the counts, so readers use only differences.
"""

from typing import Any

_TALLY = "volley:throttle:tally"
#: The channel of all nudges.
NUDGES = "volley:throttle:nudges"


class Tally:
    """The counts. All methods raise redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    def add(self, *, met: int, missed: int) -> None:
        """Add `met` starts that were written in their slots and `missed` that were not."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hincrby(_TALLY, "met", met)
        pipe.hincrby(_TALLY, "missed", missed)
        pipe.execute()

    def nudge(self) -> None:
        """Report a change of lanes: dispatchers read them at the next tick, sleeping ones wake."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hincrby(_TALLY, "changes", 1)
        pipe.publish(NUDGES, "")
        pipe.execute()

    def read(self) -> tuple[int, int, int]:
        """(met, missed, changes) since the last flush of Redis."""
        met, missed, changes = self._redis.hmget(_TALLY, "met", "missed", "changes")
        return int(met or 0), int(missed or 0), int(changes or 0)
