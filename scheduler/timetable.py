"""What fires, how often, and why. The scheduler's child fires these, by its own clock.

Every loop is a plain function with an open-ended predicate, safe to run twice at once and on
several schedulers: recovery never depends on the broker it repairs.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from scheduler.campaigns.lifecycle import launch_scheduled
from scheduler.repair import sweeps
from scheduler.repair.reconcile import reconcile


class Timer(NamedTuple):
    """A loop and its period in seconds."""

    name: str
    every: float
    run: Callable[[], object]
    why: str


TIMETABLE: Final = (
    Timer("receipts", 1, sweeps.apply_receipts, "callbacks that were stored and not applied"),
    Timer("reconcile", 1, reconcile, "calls without an outcome, messages without an end"),
    Timer("launch", 1, launch_scheduled, "campaigns whose scheduled_at has come"),
    Timer("relaunch", 60, partial(launch_scheduled, refused=True), "scheduled starts once refused"),
    Timer("finish", 1, sweeps.finish, "campaigns with nothing left to send"),
    Timer("cancel", 2, sweeps.cancel_unsent, "unsent rows of cancelled campaigns"),
    Timer("expire", 5, sweeps.expire, "unsent rows past send_before, paused or not"),
    Timer("imports", 5, sweeps.resume_imports, "imports whose importer died"),
    Timer("holes", 30, sweeps.fill_holes, "recipients without a message"),
    Timer("holds", 5, sweeps.lift_ended_holds, "holds whose time is over"),
    Timer("counts", 5, sweeps.fold_counts, "insert-only counts of busy campaigns"),
    Timer("forget", 600, sweeps.forget, "idle agents' slots in Redis, old idempotent answers"),
)
