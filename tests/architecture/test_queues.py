"""Every job that is published is consumed by a process that knows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import roles
from deploy.local.data_dirs.data_dir import places
from deploy.local.layout import Layout
from scheduler import tasks as schedulers
from shared.queue.app import app
from shared.queue.jobs import Job
from shared.queue.publish import task_name
from shared.queue.topology import REPAIRING, SENDING, TENDING, Queue
from tests.support import sources
from tests.support.embedded import temporary_data_dir
from worker import tasks as workers

KINDS = [kind for kind in Job.__subclasses__() if kind.__module__ == Job.__module__]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


def consumed(data_dir: Path) -> list[list[str]]:
    """The queues of each worker process that `volley up` starts."""
    layout = Layout(http_port=1, workers=1, carrier_port=None, flower_port=None)
    started = roles.programs(places(data_dir), layout, env={})
    return [
        child.argv[child.argv.index("--queues") + 1].split(",")
        for child in started
        if "--queues" in child.argv
    ]


def test_every_queue_has_a_consumer(data_dir: Path) -> None:
    by_workers = {queue for queues in consumed(data_dir) for queue in queues}

    assert by_workers | set(REPAIRING) == set(Queue)


def test_the_scheduler_consumes_its_queue_in_its_child(data_dir: Path) -> None:
    layout = Layout(http_port=1, workers=1, carrier_port=None, flower_port=None)
    modules = [child.argv[2] for child in roles.programs(places(data_dir), layout, env={})]

    assert "scheduler.app" in modules
    assert "scheduler.background" in (sources.ROOT / "scheduler/app.py").read_text()
    assert "consumer(REPAIRING" in (sources.ROOT / "scheduler/background.py").read_text()


def test_a_sending_process_consumes_nothing_but_releases(data_dir: Path) -> None:
    sending = [queues for queues in consumed(data_dir) if Queue.SEND in queues]

    assert sending == [[Queue.SEND]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_job_has_a_task_in_the_process_that_consumes_its_queue(kind: type[Job]) -> None:
    module = schedulers if kind.queue in REPAIRING else workers
    bound = {task.name for task in vars(module).values() if hasattr(task, "apply_async")}

    assert task_name(kind) in bound
    assert task_name(kind) in app.tasks


def test_no_queue_is_consumed_by_both_kinds_of_process() -> None:
    everybody = [*SENDING, *TENDING, *REPAIRING]

    assert len(everybody) == len(set(everybody))
