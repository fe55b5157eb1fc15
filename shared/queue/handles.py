"""Bind a job to the function that does it: the only place where a Celery task is made.

It knows no outcome but success and bug. A job that cannot be done now is not retried by Celery: its
row gets a later time and is hinted again. What escapes is a bug: it fails, is logged and counted.
"""

from collections.abc import Callable
from typing import TypeVar

import structlog
from celery import Task

from shared import metrics
from shared.logging import get_logger
from shared.opaque import Json
from shared.queue.app import app
from shared.queue.jobs import Job
from shared.queue.publish import task_name

J = TypeVar("J", bound=Job)
log = get_logger(__name__)


def handles(kind: type[J], run: Callable[[J], None]) -> Task[..., None]:
    """The Celery task for jobs of `kind`. An unknown field in a payload is refused."""

    def task(payload: Json) -> None:
        structlog.contextvars.bind_contextvars(job=kind.__name__)
        try:
            run(kind.model_validate(payload))
        except Exception as error:
            metrics.loop_failures.labels(kind.__name__).inc()
            log.exception("task.failed", error=type(error).__name__)
            raise
        finally:
            structlog.contextvars.unbind_contextvars("job")

    made: Task[..., None] = app.task(name=task_name(kind))(task)
    return made
