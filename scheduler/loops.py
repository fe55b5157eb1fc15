"""Run the timetable's loops: on a beat's tick, by the scheduler's own watch, or by hand."""

import time
from collections.abc import Callable
from functools import partial

from scheduler.timetable import TIMETABLE, Timer
from shared import metrics
from shared.db.queries.repairs import claim_run
from shared.db.session import retried, statement
from shared.logging import get_logger

log = get_logger(__name__)

_BY_NAME = {timer.name: timer for timer in TIMETABLE}


def tick(name: str) -> None:
    """Beat's tick: run the loop, unless somebody ran it half a period ago."""
    timer = _BY_NAME[name]
    run(timer, least=timer.every / 2)


def run(timer: Timer, *, least: float) -> bool:
    """Run a loop unless it was run within `least` seconds. A failure is logged, never raised."""
    try:
        # A transaction could freeze in the middle, and with it this loop on every scheduler.
        claim = partial(claim_run, name=timer.name, least=least)
        if not retried(claim, within=statement):
            return False
        timer.run()
    except Exception as error:  # no loop may die of one exception: it is due again soon
        metrics.loop_failures.labels(timer.name).inc()
        log.exception("loop.failed", loop=timer.name, error=type(error).__name__)
    return True


def watch(stopping: Callable[[], bool]) -> None:
    """Run whatever is overdue by twice its period: recovery that needs no broker and no beat."""
    while not stopping():
        for timer in TIMETABLE:
            if stopping():
                return
            run(timer, least=2 * timer.every)
        time.sleep(0.5)


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
