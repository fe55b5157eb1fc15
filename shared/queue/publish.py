"""Put jobs on their queues, by name, after the fact they speak of is committed.

A publish that fails is not an error of the caller: the sweep hints again. So it is logged, counted
and swallowed.
"""

from collections.abc import Iterable

from kombu.exceptions import OperationalError

from shared import metrics
from shared.logging import get_logger
from shared.queue.app import app
from shared.queue.jobs import Job

log = get_logger(__name__)

_BROKER_TROUBLE = (OperationalError, OSError)


def task_name(kind: type[Job]) -> str:
    """A task is named after its job, never after a module, so files can move while jobs travel."""
    return f"volley.{kind.__name__}"


def publish(jobs: Iterable[Job]) -> int:
    """Publish all of `jobs` on one connection; returns how many went out."""
    published = 0
    try:
        with app.producer_pool.acquire(block=True, timeout=5) as producer:
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
        log.warning("queue.publish_failed", error=type(error).__name__, published=published)
    return published
