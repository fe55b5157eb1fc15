"""Several schedulers share the agents: each dispatches for the shards that it has a lease for.

Sharing only saves work: slots come from Redis and hints skip locked rows, so two schedulers that
dispatch for the same agent for a moment do no harm. The reasons: deploy/docs/decisions/0013.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from shared import metrics
from shared.db.session import retried, statement
from shared.errors import Misconfigured
from shared.ledger import shards as queries
from shared.logging import get_logger
from shared.outage import Outage
from shared.throttle.redis_client import redis

log = get_logger(__name__)

#: Seconds that a lease lasts. The agents of a dead scheduler wait so long for another one.
LENGTH: Final = 5.0
#: Seconds between two renewals. A new scheduler waits so long for its share.
REFRESH: Final = 1.0
#: Seconds without a tick after which the dispatch loop counts as hanging: it loses its agents.
HANGS: Final = 3.0


def own_name() -> str:
    """This process's name. It differs after a restart, even with the same host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class _OwnShards:
    """This scheduler's shards, and the monotonic instant at which their lease ends."""

    shards: frozenset[int] = frozenset()
    until: float = float("-inf")


class Leases:
    """One scheduler's shards. The dispatch loop reads `mine` at every tick; `keep` runs in another
    thread. So a slow lease delays no tick, and a loop that hangs loses its agents.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._own = _OwnShards()
        self._asked = float("-inf")
        self._servers = Outage(log, away="leases.failed", back="leases.work_again")

    @property
    def mine(self) -> frozenset[int]:
        """The shards that are ours at this instant; none after the lease has ended.

        Every tick checks the clock here, because a process does not notice that it was frozen.
        """
        self._asked = time.monotonic()
        held = self._own
        return held.shards if self._asked < held.until else frozenset()

    def refresh(self) -> None:
        """Renew, take and give up shards in one statement. Raises DBAPIError; then ours run out."""
        # Count from before the statement: Postgres starts the lease at a later moment.
        until = time.monotonic() + LENGTH
        length = timedelta(seconds=LENGTH)
        take = partial(queries.take, name=self._name, length=length)
        shards = retried(take, within=statement)
        if shards != self._own.shards:
            log.info("leases.changed", held=len(shards), before=len(self._own.shards))
        self._own = _OwnShards(shards, until)

    def give_back(self) -> None:
        """Give back all shards: others may take them at once. Raises DBAPIError."""
        self._own = _OwnShards()
        retried(partial(queries.give_back, name=self._name), within=statement)

    def keep(self, stopping: threading.Event) -> None:
        """Keep leases while the dispatch loop ticks; give them back at the end. For a thread."""
        self._asked = time.monotonic()  # the loop is about to tick: do not wait for that
        self._log_errors_of(_free_shards_of_ended_processes)
        while not stopping.is_set():
            self._log_errors_of(self._renew_or_give_back)
            stopping.wait(REFRESH)
        self._log_errors_of(self.give_back)

    def _renew_or_give_back(self) -> None:
        if time.monotonic() - self._asked < HANGS:
            # Without Redis this scheduler gets no slots: leave the agents to another one.
            redis().ping()
            self.refresh()
        elif self._own.shards:
            log.warning("leases.given_back", reason="the dispatch loop hangs")
            self.give_back()

    def _log_errors_of(self, work: Callable[[], None]) -> None:
        """Do `work` and log its errors. Without renewal the leases run out, which is safe."""
        try:
            work()
            self._servers.answered()
        except Misconfigured as error:  # the dispatch loop ends by it
            metrics.loop_failures.labels("leases").inc()
            log.error("leases.misconfigured", reason=error.message)
        except (RedisError, DBAPIError) as error:
            metrics.loop_failures.labels("leases").inc()
            self._servers.failed(error)
        except Exception as error:
            metrics.loop_failures.labels("leases").inc()
            log.exception("leases.bug", error=type(error).__name__)


def _free_shards_of_ended_processes() -> None:
    """Give back the shards of killed schedulers on this machine, so that their successor need not
    wait for the end of the lease.
    """
    for name in retried(queries.living, within=statement):
        if _is_dead(name):
            log.info("leases.inherited", of=name)
            retried(partial(queries.give_back, name=name), within=statement)


def _is_dead(name: str) -> bool:
    """Whether `name`, made by `own_name`, belongs to a process of this machine that has ended.

    It is wrong only if two machines share a host name; then the other one loses a second's work.
    """
    host, _, process = name.partition(":")
    pid = process.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    if int(pid) == os.getpid():
        return True  # our own pid: the first process of a container always has the same one
    try:
        os.kill(int(pid), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
