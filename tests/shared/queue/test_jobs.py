"""Jobs as they travel: ids and small facts, in JSON, understood whole or refused."""

import json

import pytest
from pydantic import ValidationError

from shared.queue.app import app
from shared.queue.jobs import (
    ApplyReceipts,
    ComposeOpeners,
    ImportUpload,
    Job,
    SendMessages,
)
from shared.queue.topology import Queue

JOBS = [
    SendMessages(release=((1, 1_800_000_000.123456, 1_800_000_030_654_321), (2, 1.5, 3))),
    ComposeOpeners(message_ids=(1, 2, 3)),
    ApplyReceipts(),
    ImportUpload(campaign_id=7),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_a_job_survives_the_journey_through_json(job: Job) -> None:
    on_the_wire = json.dumps(job.model_dump(mode="json"))

    assert type(job).model_validate(json.loads(on_the_wire)) == job


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_a_job_with_a_field_we_do_not_know_is_refused(job: Job) -> None:
    payload = job.model_dump(mode="json") | {"urgent": True}

    with pytest.raises(ValidationError, match="urgent"):
        type(job).model_validate(payload)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_a_job_is_frozen(job: Job) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(job, next(iter(type(job).model_fields), "anything"), 1)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_where_a_job_travels_is_no_field_of_it(job: Job) -> None:
    assert job.queue in Queue
    assert "queue" not in job.model_dump()


def test_every_kind_of_job_is_tested_here() -> None:
    kinds = {kind for kind in Job.__subclasses__() if kind.__module__ == Job.__module__}

    assert {type(job) for job in JOBS} == kinds


def test_slots_keep_their_microseconds_on_the_way() -> None:
    slot = 1_800_000_000.000_001
    job = SendMessages(release=((1, slot, 2),))

    arrived = SendMessages.model_validate(json.loads(json.dumps(job.model_dump(mode="json"))))

    assert arrived.release[0][1] == slot


def test_nothing_but_json_is_sent_or_accepted() -> None:
    assert app.conf.task_serializer == "json"
    assert app.conf.accept_content == ["json"]
    assert app.conf.result_accept_content == ["json"]


def test_tasks_are_acknowledged_late_and_taken_one_at_a_time() -> None:
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_ignore_result
