"""A job that arrives, and the function that does it."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from shared import metrics
from shared.queue.app import app
from shared.queue.handles import handles
from shared.queue.jobs import Job
from shared.queue.topology import Queue


class Greet(Job):
    """A job of these tests' own."""

    queue = Queue.COMPOSE

    name: str


@pytest.fixture(autouse=True)
def unregistered() -> Iterator[None]:
    """Each test binds its own task under the one name."""
    yield
    app.tasks.pop("volley.Greet", None)


def test_a_job_is_handed_to_the_function_it_is_bound_to() -> None:
    greeted: list[Greet] = []
    task = handles(Greet, greeted.append)

    task({"name": "Ana"})

    assert greeted == [Greet(name="Ana")]


def test_a_task_is_named_after_its_job_and_not_after_a_module() -> None:
    assert handles(Greet, print).name == "volley.Greet"


def test_a_payload_with_a_field_we_do_not_know_is_refused_and_nothing_is_done() -> None:
    greeted: list[Greet] = []
    task = handles(Greet, greeted.append)

    with pytest.raises(ValidationError, match="loudly"):
        task({"name": "Ana", "loudly": True})

    assert greeted == []


def test_what_escapes_is_a_bug_that_is_counted_and_seen() -> None:
    def bug(_: Greet) -> None:
        raise LookupError

    task = handles(Greet, bug)
    failures = metrics.loop_failures.labels("Greet")
    before = failures._value.get()

    with pytest.raises(LookupError):
        task({"name": "Ana"})

    assert failures._value.get() == before + 1
