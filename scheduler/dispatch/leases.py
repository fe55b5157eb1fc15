"""Several schedulers share the agents: each dispatches for the shards that it holds a lease of.

Sharing saves work, and nothing else stands on it: slots come from Redis and hints skip locked rows,
so two that dispatch for the same agent for a moment do no harm. Why so:
deploy/docs/decisions/0013.
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
from shared.errors import Refused
from shared.ledger import shards as queries
from shared.logging import get_logger
from shared.outage import Outage
from shared.throttle.redis_client import redis

log = get_logger(__name__)

#: Seconds that a lease lasts, so how long the agents of a dead scheduler wait for another.
LENGTH: Final = 5.0
#: How often it is renewed, so how soon a newcomer gets its share.
REFRESH: Final = 1.0
#: A dispatch loop that has not ticked for so long hangs: its agents go to others.
HANGS: Final = 3.0


def own_name() -> str:
    """This process's name: another one after a restart, even with the same host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class _OwnShards:
    """Shards, and when they are ours no more, on the monotonic clock."""

    shards: frozenset[int] = frozenset()
    until: float = float("-inf")


class Leases:
    """One scheduler's shards. The dispatch loop asks `mine` at every tick, `keep` runs beside it:
    a slow lease never delays a tick, and a loop that hangs does not hold its agents.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._own = _OwnShards()
        self._asked = float("-inf")
        self._servers = Outage(log, away="leases.failed", back="leases.work_again")

    @property
    def mine(self) -> frozenset[int]:
        """The shards that are ours at this instant; none as soon as their time is over.

        That is looked up here, at every tick: a process that was frozen knows of nothing else.
        """
        self._asked = time.monotonic()
        held = self._own
        return held.shards if self._asked < held.until else frozenset()

    def refresh(self) -> None:
        """Renew, take, give up, in one statement. Raises DBAPIError; then what we have runs out."""
        # From before the question: Postgres's clock runs from some later moment.
        until = time.monotonic() + LENGTH
        length = timedelta(seconds=LENGTH)
        take = partial(queries.take, name=self._name, length=length)
        shards = retried(take, within=statement)
        if shards != self._own.shards:
            log.info("leases.changed", held=len(shards), before=len(self._own.shards))
        self._own = _OwnShards(shards, until)

    def give_back(self) -> None:
        """Nothing is ours from now on, and others may take it at once. Raises DBAPIError."""
        self._own = _OwnShards()
        retried(partial(queries.give_back, name=self._name), within=statement)

    def keep(self, stopping: threading.Event) -> None:
        """Hold leases while the dispatch loop ticks; give them back at the end. For a thread."""
        self._asked = time.monotonic()  # the loop is about to tick: do not wait for that
        self._log_errors_of(_free_shards_of_ended_processes)
        while not stopping.is_set():
            self._log_errors_of(self._renew_or_give_back)
            stopping.wait(REFRESH)
        self._log_errors_of(self.give_back)

    def _renew_or_give_back(self) -> None:
        if time.monotonic() - self._asked < HANGS:
            # Who cannot ask for slots takes no agents: another scheduler may reach Redis.
            redis().ping()
            self.refresh()
        elif self._own.shards:
            log.warning("leases.given_back", reason="the dispatch loop hangs")
            self.give_back()

    def _log_errors_of(self, work: Callable[[], None]) -> None:
        """No error ends the keeping: without renewal the leases run out, which is safe."""
        try:
            work()
            self._servers.answered()
        except (RedisError, DBAPIError, Refused) as error:
            metrics.loop_failures.labels("leases").inc()
            self._servers.failed(error)
        except Exception as error:
            metrics.loop_failures.labels("leases").inc()
            log.exception("leases.bug", error=type(error).__name__)


def _free_shards_of_ended_processes() -> None:
    """Give back what a killed predecessor on this machine holds: it is started again at once, and
    need not wait for the end of its own lease.
    """
    for name in retried(queries.living, within=statement):
        if _is_dead(name):
            log.info("leases.inherited", of=name)
            retried(partial(queries.give_back, name=name), within=statement)


def _is_dead(name: str) -> bool:
    """Whether this name, made by `own_name`, is of a process of this machine that has ended.

    Wrong only where machines share a name; then it costs the other one a second's work.
    """
    host, _, process = name.partition(":")
    pid = process.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    if int(pid) == os.getpid():
        return True  # the same pid again, as the first process of a container has
    try:
        os.kill(int(pid), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
