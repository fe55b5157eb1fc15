"""Deliver a release: pass it to this process's engine, which sends at the slots."""

from shared.queue.jobs import SendMessages
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from worker.send.circuit_breaker import CircuitBreaker
from worker.send.engine import Engine

_running: list[Engine] = []


def start() -> Engine:
    """Start this process's engine."""
    engine = Engine(Throttle(redis()), Tally(redis()), CircuitBreaker(redis()))
    engine.start()
    _running.append(engine)
    return engine


def deliver(job: SendMessages) -> None:
    """Pass the release on and return. Safe to call twice: the second finds nothing to claim."""
    _running[0].accept(job.release)
