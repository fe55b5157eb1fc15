"""Wake dispatchers that have nothing to do: something has become due.

A nudge goes through Redis, so it reaches the schedulers of all machines. One that is lost costs a
second: so often they look by themselves. Who hears it: `scheduler/nudges.py`.
"""

from contextlib import suppress

from redis import RedisError

from shared.errors import Misconfigured
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally


def nudge() -> None:
    """Have dispatchers look at once. To be called after the commit; without Redis they find out by
    themselves a little later.
    """
    with suppress(RedisError, Misconfigured):
        Tally(redis()).nudge()
