"""Wake idle dispatchers: something has become due.

A nudge goes through Redis, so it reaches the schedulers of all machines. A lost nudge costs one
second, because they also look every second. `scheduler/nudges.py` receives it.
"""

from contextlib import suppress

from redis import RedisError

from shared.errors import Misconfigured
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally


def nudge() -> None:
    """Make dispatchers look at once. Call it after the commit. Without Redis it does nothing: the
    dispatchers look within a second.
    """
    with suppress(RedisError, Misconfigured):
        Tally(redis()).nudge()
