"""Bind a job to its function: the only place that makes a Celery task.

A task succeeds or has a bug. Celery retries nothing: when a job cannot be done now, its row gets a
later time and the dispatcher hints it again. An exception that escapes is a bug: the task fails, is
logged and counted.
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
