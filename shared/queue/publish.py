"""Put jobs on their queues, by name, after the transaction that made them due has committed.

A failed publish is not an error of the caller, because the sweep hints again: `publish` counts it,
raises nothing, and logs the first of consecutive failures.
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

#: Seconds that a publisher waits for a connection of the pool.
CONNECTION_WAIT = 5.0
#: LimitExceeded: all connections of this process wait for a broker that does not answer.
_BROKER_TROUBLE = (OperationalError, LimitExceeded, OSError)


def task_name(kind: type[Job]) -> str:
    """A task is named after its job, never after a module, so files can move while jobs travel."""
    return f"volley.{kind.__name__}"


def publish(jobs: Iterable[Job]) -> int:
    """Publish all of `jobs` on one connection; returns how many the broker took.

    It makes all jobs before it takes a connection from the pool: a thread that has one waits only
    for the broker, so two threads cannot wait for each other.
    """
    jobs, published = list(jobs), 0
    try:
        # From the pool of connections: the pool of producers is larger than that of connections,
        # and waits for a connection without a limit.
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
