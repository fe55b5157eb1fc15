"""Run the timetable's loops: in the scheduler's child, each at its own pace, or all by hand."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from scheduler.timetable import TIMETABLE, Timer
from shared import metrics
from shared.db.session import retried, statement
from shared.errors import InWords
from shared.ledger.repairs import claim_run
from shared.logging import get_logger
from shared.outage import Outage

log = get_logger(__name__)

#: Threads look so often (seconds), all that is due one after the other: a loop that finds the
#: processor's caches warm costs a third of one that wakes by itself.
GRID = 1.0
#: The first thread runs what is due. While a long loop holds it up, the second runs what has waited
#: for two periods, then the third what has waited for three …
THREADS = 4


def run(timer: Timer, *, least: float) -> bool:
    """Run a loop unless it was run within `least` seconds. A failure is logged, never raised; that
    a server is away, once.
    """
    servers = _servers(timer.name)
    try:
        # A transaction could freeze in the middle, and with it this loop on every scheduler.
        claim = partial(claim_run, name=timer.name, least=least)
        if not retried(claim, within=statement):
            return False
        timer.run()
        servers.answered()
    except InWords as error:  # no server is away: it says itself what is wrong, and goes on so
        metrics.loop_failures.labels(timer.name).inc()
        servers.failed(error, loop=timer.name, reason=error.message)
    except (RedisError, DBAPIError) as error:
        metrics.loop_failures.labels(timer.name).inc()
        servers.failed(error, loop=timer.name)
    except Exception as error:  # no loop may die of one exception: it is due again soon
        metrics.loop_failures.labels(timer.name).inc()
        log.exception("loop.failed", loop=timer.name, error=type(error).__name__)
    return True


@cache
def _servers(loop: str) -> Outage:
    return Outage(log, away="loop.failed", back="loop.works_again")


class Rota:
    """What is due in this process, dealt to its threads: a loop is run by one of them at a time."""

    def __init__(self, timers: Sequence[Timer] = TIMETABLE) -> None:
        self._lock = threading.Lock()
        now = time.monotonic()
        #: when each loop began; those under way are not here
        self._began = {timer: now - timer.every for timer in timers}

    def start(self, stopping: threading.Event) -> None:
        """Run all loops at their own pace until `stopping`, in daemon threads."""
        for n in range(1, THREADS + 1):
            work = partial(self._work, n, stopping)
            threading.Thread(target=work, name=f"loops-{n}", daemon=True).start()

    def run_due(self, patience: float = 1.0) -> int:
        """Run the loops that have not begun for `patience` periods; returns how many."""
        ran = 0
        while timer := self._take(patience):
            began = time.monotonic()
            try:
                # Other schedulers keep the same timetable: the first after half a period runs it.
                run(timer, least=timer.every / 2)
            finally:
                with self._lock:
                    self._began[timer] = began
            ran += 1
        return ran

    def _take(self, patience: float) -> Timer | None:
        """The loop that has waited longest beyond its time, not to be taken by others."""
        now = time.monotonic() + GRID / 2
        with self._lock:
            due = [t for t, began in self._began.items() if now - began >= patience * t.every]
            timer = min(due, key=lambda t: self._began[t] + t.every, default=None)
            if timer is not None:
                del self._began[timer]
            return timer

    def _work(self, n: int, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self.run_due(patience=n)
            stopping.wait(GRID - time.monotonic() % GRID)


def run_all(*, loop: bool = False, stopping: Callable[[], bool] = lambda: False) -> list[str]:
    """`volley sweep`: every loop once, in order; with `loop`, again and again. Returns their
    names.
    """
    while True:
        for timer in TIMETABLE:
            run(timer, least=0 if not loop else timer.every)
        if not loop or stopping():
            return [timer.name for timer in TIMETABLE]
        time.sleep(0.5)
