"""A worker under its name: what it answers while it works, what it refuses, how it ends."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery.worker.control import Panel
from redis import Redis

from shared.queue.app import app
from shared.queue.consumer import QUESTIONS
from shared.queue.jobs import ComposeOpeners
from shared.queue.publish import publish
from tests.support.broker import broker
from tests.support.embedded import Servers
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

NAME = f"slow-1@{socket.gethostname()}"
#: Whatever Celery knows that is no question of ours, as this process still has it.
COMMANDS = sorted(Panel.meta.keys() - QUESTIONS)
#: What an attacker would write first; the rest goes without.
ARGUMENTS: dict[str, dict[str, object]] = {
    "cancel_consumer": {"queue": "compose"},
    "add_consumer": {"queue": "send"},
    "pool_grow": {"n": 1},
    "pool_shrink": {"n": 1},
    "autoscale": {"max": 3, "min": 2},
    "rate_limit": {"task_name": "volley.ComposeOpeners", "rate_limit": "1/h"},
    "time_limit": {"task_name": "volley.ComposeOpeners", "hard": 1},
    "revoke": {"task_id": "some-id"},
    "terminate": {"signal": "KILL", "task_id": "some-id"},
    "revoke_by_stamped_headers": {"headers": {"a": "b"}},
    "hello": {"from_node": "other@host", "revoked": {"some-id": 1.0}},
    "election": {"id": "1", "topic": "t"},
}


@pytest.fixture
def redis(servers: Servers) -> Iterator[Redis]:
    with Redis.from_url(servers.redis_url, decode_responses=True) as client:
        client.flushdb()
        with broker(servers.redis_url):
            yield client


@contextmanager
def running(servers: Servers, tmp_path: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The slow worker, from when it answers until the end of the block."""
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.slow_worker", "slow-1", str(tmp_path), *words],
            env={**os.environ, "VOLLEY_ENV_FILE": "", "VOLLEY_REDIS_URL": servers.redis_url},
            stdout=log,
            stderr=log,
        )
    try:
        eventually(
            lambda: asked("ping") == {NAME: {"ok": "pong"}}, seconds=60, log=tmp_path / "log"
        )
        yield process
    finally:
        process.kill()
        process.wait()


def asked(question: str, **arguments: object) -> dict[str, Any]:
    """Each worker's answer within a second."""
    answers = app.control.broadcast(question, arguments=arguments, reply=True, timeout=1.0, limit=1)
    return {name: answer for one in answers for name, answer in one.items()}  # type: ignore[union-attr]


def held(redis: Redis) -> int:
    """How many messages workers have taken and not acknowledged."""
    return int(redis.hlen("volley:unacked"))


def begin(tmp_path: Path, n: int) -> None:
    publish([ComposeOpeners(message_ids=(n,))])
    eventually((tmp_path / f"begun-{n}").exists, seconds=60, log=tmp_path / "log")


def test_a_worker_in_the_middle_of_long_work_answers_and_beats(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path), redis.pubsub() as events:  # type: ignore[no-untyped-call]
        begin(tmp_path, 1)
        events.psubscribe("*celeryev*heartbeat*")

        (task,) = asked("active", safe=True)[NAME]
        stats = asked("stats")[NAME]
        eventually(lambda: heard(events), seconds=60)
        eventually(lambda: heard(events), seconds=60)

        assert (task["name"], task["args"]) == ("volley.ComposeOpeners", "1 messages from 1")
        assert stats["pool"]["max-concurrency"] == 1
        assert not (tmp_path / "done-1").exists()


def heard(events: Any) -> object:
    message = events.get_message(timeout=0.1)
    return message if message and message["type"] == "pmessage" else None


def test_work_on_the_main_thread_would_leave_it_silent(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path, "prompt"):
        begin(tmp_path, 1)

        assert asked("ping") == {}


def test_a_job_is_acknowledged_when_it_is_over_and_the_next_one_begins_at_once(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path):
        begin(tmp_path, 1)
        publish([ComposeOpeners(message_ids=(2,))])

        while_it_runs = held(redis)
        (tmp_path / "end-1").touch()
        eventually((tmp_path / "begun-2").exists, seconds=60)
        (tmp_path / "end-2").touch()

        assert while_it_runs == 1
        eventually(lambda: held(redis), becomes=0, seconds=60)
        assert asked("stats")[NAME]["total"] == {"volley.ComposeOpeners": 2}


def test_short_jobs_follow_each_other_without_a_pause(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    jobs = range(60)
    for n in jobs:
        (tmp_path / f"end-{n}").touch()
    with running(servers, tmp_path):
        publish([ComposeOpeners(message_ids=(n,)) for n in jobs])

        # with a wait for the next turn of Celery's loop in each it is half a minute
        eventually(lambda: all((tmp_path / f"done-{n}").exists() for n in jobs), seconds=15)


def test_a_worker_whose_acknowledgement_failed_goes_on_taking_jobs(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path):
        begin(tmp_path, 1)
        redis.execute_command("CLIENT PAUSE 12000 ALL")  # type: ignore[no-untyped-call]  # longer than a socket waits
        (tmp_path / "end-1").touch()
        time.sleep(12)

        begin(tmp_path, 2)


def test_the_job_of_a_worker_that_is_killed_is_left_to_another(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path) as process:
        begin(tmp_path, 1)
        process.kill()
        process.wait()

    assert held(redis) == 1


def test_a_worker_that_is_told_to_stop_ends_its_job_and_takes_no_other(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path) as process:
        begin(tmp_path, 1)
        process.terminate()
        eventually(lambda: "Warm shutdown" in (tmp_path / "log").read_text(), seconds=60)
        publish([ComposeOpeners(message_ids=(2,))])
        (tmp_path / "end-1").touch()

        assert process.wait(60) == 0

    assert (tmp_path / "done-1").exists()
    assert not (tmp_path / "begun-2").exists()
    assert (held(redis), redis.llen("volley:compose")) == (0, 1)


def test_whatever_is_no_question_does_nothing(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path) as process:
        before = {question: asked(question)[NAME] for question in ("active_queues", "conf")}

        answers = {name: asked(name, **ARGUMENTS.get(name, {}))[NAME] for name in COMMANDS}

        assert all("KeyError" in answer["error"] for answer in answers.values()), answers
        assert before == {question: asked(question)[NAME] for question in before}
        assert asked("revoked")[NAME] == []
        begin(tmp_path, 1)
        (tmp_path / "end-1").touch()
        eventually((tmp_path / "done-1").exists, seconds=60)
        assert process.poll() is None


def test_every_command_that_changes_something_was_tried() -> None:
    assert {*ARGUMENTS, "shutdown", "pool_restart", "enable_events", "disable_events"} <= {
        *COMMANDS
    }


def test_answers_do_not_pile_up_in_the_broker(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    with running(servers, tmp_path):
        for question in sorted(QUESTIONS):
            asked(question, **({"ids": ["some-id"]} if question == "query_task" else {}))

    assert list(redis.scan_iter("*reply*")) == []


def test_the_brokers_password_is_in_no_answer(
    servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    password = servers.redis_url.split(":")[2].split("@")[0]
    with running(servers, tmp_path):
        answers = {question: asked(question) for question in ("conf", "stats", "active_queues")}

    assert all(answers.values())
    assert password not in str(answers)
