"""A sending engine beside the test, as a worker's process runs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support.eventually import eventually
from worker.send.circuit_breaker import CircuitBreaker
from worker.send.engine import Engine


def started_engine() -> Engine:
    """An engine that knows what time it is: it takes releases. To be ended by `end`."""
    engine = Engine(Throttle(redis()), Tally(redis()), CircuitBreaker(redis()))
    engine.start()
    eventually(lambda: engine.ready, "the engine to know Redis's clock", seconds=20)
    return engine


def end(engine: Engine) -> None:
    """Stop it warmly, and give back what it holds in this process."""
    engine.stop(5)
    engine.close()


@contextmanager
def running_engine() -> Iterator[Engine]:
    """An engine for as long as the block lasts."""
    engine = started_engine()
    try:
        yield engine
    finally:
        end(engine)
