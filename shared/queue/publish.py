"""Put jobs on their queues, by name, after the fact they speak of is committed.

A publish that fails is not an error of the caller: the sweep hints again. So it is counted and
swallowed, and the first of a row is logged.
"""

from collections.abc import Iterable
from typing import Any, cast

from kombu.exceptions import LimitExceeded, OperationalError

from shared import metrics
from shared.logging import get_logger
from shared.outage import Outage
from shared.queue.app import app
from shared.queue.jobs import Job

log = get_logger(__name__)
_broker = Outage(log, away="queue.publish_failed", back="queue.published_again")

#: Seconds that a publisher waits for a connection that another one uses.
CONNECTION_WAIT = 5.0
#: LimitExceeded: all connections of this process wait for a broker that has gone silent.
_BROKER_TROUBLE = (OperationalError, LimitExceeded, OSError)


def task_name(kind: type[Job]) -> str:
    """A task is named after its job, never after a module, so files can move while jobs travel."""
    return f"volley.{kind.__name__}"


def publish(jobs: Iterable[Job]) -> int:
    """Publish all of `jobs` on one connection; returns how many went out.

    Whoever holds a connection of the pool waits for nothing but the broker: the jobs are made
    before it is taken, so that no thread can hold one and wait for another.
    """
    jobs, published = list(jobs), 0
    try:
        # From the pool of connections: that of producers holds more than there are connections, and
        # waits for one without a limit.
        with app.pool.acquire(block=True, timeout=CONNECTION_WAIT) as connection:
            producer = app.amqp.Producer(cast(Any, connection))  # the stubs mean another class
            for job in jobs:
                app.send_task(
                    task_name(type(job)),
                    args=[job.model_dump(mode="json")],
                    queue=job.queue.value,
                    producer=producer,
                    ignore_result=True,
                    argsrepr=job.brief,
                )
                published += 1
    except _BROKER_TROUBLE as error:
        metrics.publish_failures.inc()
        _broker.failed(error, published=published)
    else:
        if published:
            _broker.answered()
    return published
