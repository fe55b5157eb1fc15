"""Deliver a release: hand it to this process's engine, which keeps the slots."""

from shared.queue.jobs import SendMessages
from shared.throttle import Throttle
from shared.throttle.store import redis
from shared.throttle.tally import Tally
from worker.engine import Engine
from worker.refusals import Refusals

_running: list[Engine] = []


def start() -> Engine:
    """Start this process's engine."""
    engine = Engine(Throttle(redis()), Tally(redis()), Refusals(redis()))
    engine.start()
    _running.append(engine)
    return engine


def deliver(job: SendMessages) -> None:
    """Take the release and return. Safe to call twice: the second finds nothing to claim."""
    _running[0].accept(job.release)
