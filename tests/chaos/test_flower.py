"""Flower sees every worker and what it does, also after faults and after hours.

A view that is blind is worse than none, for somebody trusts it.
"""

import itertools
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from celery.events import EventDispatcher
from redis import Redis

from deploy.local.servers.flower import TASKS
from shared.queue.app import app
from shared.queue.jobs import ComposeOpeners
from shared.queue.publish import publish
from shared.queue.topology import Queue
from tests.benchmarks.processes import resident_mib
from tests.chaos.harness import CANARY, Bench, Campaign, bench
from tests.chaos.nemesis import frozen, kill
from tests.support.broker import broker
from tests.support.eventually import eventually
from tests.support.flower import FlowerApi

pytestmark = [pytest.mark.chaos, pytest.mark.stack]

EVERYBODY: Final = {"scheduler-1", "worker-1", "worker-2", "receipts-1"}
#: Seconds within which Flower shows what has happened.
SOON: Final = 15.0
#: What Flower may weigh after hours of events, of what it weighs when it first holds all it may.
FLAT: Final = 1.15


@pytest.fixture(scope="module")
def stack() -> Iterator[Bench]:
    with bench(workers=2, flower=True) as made:
        yield made


@pytest.fixture
def flower(stack: Bench) -> FlowerApi:
    stack.begin()
    return FlowerApi(stack.stack)


def soon(stack: Bench, condition: Callable[[], object], what: str) -> None:
    stack.wait(condition, what, seconds=SOON)


def send(stack: Bench, *, rows: int = 60) -> tuple[Campaign, float]:
    """A campaign to its end, and when it began."""
    began = time.time()
    campaign = stack.upload(rows, stack.add_agents(8))
    stack.launch(campaign)
    stack.converge()
    return campaign, began


def succeeded(flower: FlowerApi, kind: str, *, since: float) -> list[dict[str, Any]]:
    """Tasks of that kind that began and succeeded since then."""
    shown = flower.tasks(taskname=f"volley.{kind}", state="SUCCESS")
    return [task for task in shown if task["received"] >= since]


def sees(stack: Bench, flower: FlowerApi) -> Campaign:
    """Every worker is online, and what a campaign makes of tasks is shown with its brief."""
    campaign, began = send(stack)
    soon(stack, lambda: flower.online() == EVERYBODY, "every worker online")
    for kind, brief in {"SendMessages": r"\d+ messages from \d+", "ApplyReceipts": ""}.items():
        soon(stack, lambda kind=kind: succeeded(flower, kind, since=began), f"a {kind}")  # type: ignore[misc]
        shown = {task["args"] for task in succeeded(flower, kind, since=began)}
        assert all(re.fullmatch(brief, args) for args in shown), shown
    return campaign


def test_a_campaign_is_seen_with_all_who_work_on_it_and_nobody_it_is_for(
    stack: Bench, flower: FlowerApi
) -> None:
    campaign = sees(stack, flower)

    soon(stack, lambda: all(flower.worker(name) for name in EVERYBODY), "their answers")
    for name, consumed in {"worker-1": {"send"}, "receipts-1": {"receipts", "compose"}}.items():
        shown = flower.worker(name)
        assert {queue["name"] for queue in shown["active_queues"]} == consumed
        assert shown["stats"]["pool"]["max-concurrency"] == 1
        assert sum(shown["stats"]["total"].values()) > 0
    everything = flower.fetch("/api/tasks").text + flower.fetch("/api/workers", refresh=1).text
    password = stack.stack.redis_url.split(":")[2].split("@")[0]
    assert not [s for s in [*campaign.phones, CANARY, password] if s in everything]


def test_in_the_middle_of_a_long_import_the_scheduler_answers_and_says_what_it_is_at(
    stack: Bench, flower: FlowerApi
) -> None:
    agents = stack.add_agents(1)
    with stack.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE recipient IN SHARE MODE")
        campaign = stack.upload(21_000, agents, wait=False)  # more than the API reads itself

        def at() -> list[str]:
            active = flower.worker("scheduler-1").get("active", [])
            return [task["args"] for task in active if task["name"] == "volley.ImportUpload"]

        stack.wait(lambda: at() == [f"campaign {campaign.id}"], "the import to be shown")
        time.sleep(6)  # silent for so long, a worker would be shown offline
        assert at() == [f"campaign {campaign.id}"]
        assert flower.online() == EVERYBODY

    stack.wait(lambda: stack.status(campaign) == "ready", "the import")
    soon(stack, lambda: succeeded(flower, "ImportUpload", since=0), "its success")


def test_a_worker_that_takes_the_place_of_a_killed_one_has_its_name(
    stack: Bench, flower: FlowerApi
) -> None:
    soon(stack, lambda: flower.online() == EVERYBODY, "every worker online")
    (before,) = stack.pids("worker-1")

    assert kill(stack, "worker-1")()

    stack.wait(lambda: stack.pids("worker-1") not in ([], [before]), "its replacement")
    (after,) = stack.pids("worker-1")
    sees(stack, flower)
    soon(stack, lambda: flower.worker("worker-1")["stats"]["pid"] == after, "the new pid")


def test_a_worker_that_is_gone_is_shown_offline(stack: Bench, flower: FlowerApi) -> None:
    soon(stack, lambda: flower.online() == EVERYBODY, "every worker online")
    (pid,) = stack.pids("worker-2")

    with frozen(pid):
        soon(stack, lambda: flower.online() == EVERYBODY - {"worker-2"}, "one offline")

    soon(stack, lambda: flower.online() == EVERYBODY, "every worker online")


def test_after_the_broker_was_restarted_everything_is_seen_again(
    stack: Bench, flower: FlowerApi
) -> None:
    (before,) = stack.pids("valkey")

    assert kill(stack, "valkey")()

    stack.wait(lambda: stack.pids("valkey") not in ([], [before]), "another broker")
    sees(stack, flower)


def test_a_broker_that_was_away_for_long_is_seen_as_soon_as_one_that_was_not(
    stack: Bench, flower: FlowerApi
) -> None:
    (pid,) = stack.pids("valkey")
    with frozen(pid):
        time.sleep(20)  # the socket's time-out, and two attempts

    sees(stack, flower)


def test_the_length_of_every_queue_is_the_true_one(stack: Bench, flower: FlowerApi) -> None:
    (tending,) = stack.pids("worker-tending")
    with frozen(tending), broker(stack.stack.redis_url):
        publish([ComposeOpeners(message_ids=(0,))] * 17)

        with Redis.from_url(stack.stack.redis_url) as redis:

            def true() -> dict[str, int]:
                return {queue.value: redis.llen(f"volley:{queue}") for queue in Queue}

            # the scheduler's queue moves by itself: both must be the same at one moment
            soon(stack, lambda: flower.lengths() == true(), "the same lengths")
            assert flower.lengths()["compose"] >= 16  # it may hold one
            assert "17" in flower.fetch("/broker").text or "16" in flower.fetch("/broker").text


def test_however_many_look_at_once_nothing_is_stuck_and_no_answer_is_left_in_the_broker(
    stack: Bench, flower: FlowerApi
) -> None:
    with ThreadPoolExecutor(12) as people:
        pages = list(people.map(lambda _: flower.get("/api/workers", refresh=1), range(24)))
        (pid,) = stack.pids("flower")
        asking = people.submit(flower.get, "/api/workers", refresh=1)
        time.sleep(0.2)
        assert kill(stack, "flower")()  # in the middle of a question
        assert asking.exception() is not None

    assert all(len(page) == len(EVERYBODY) for page in pages)
    stack.wait(lambda: stack.pids("flower") not in ([], [pid]), "another Flower")
    sees(stack, flower)
    with Redis.from_url(stack.stack.redis_url) as redis:
        soon(stack, lambda: not list(redis.scan_iter("*reply*pidbox")), "no answer left")


def test_commands_are_not_offered_and_do_nothing(stack: Bench, flower: FlowerApi) -> None:
    soon(stack, lambda: flower.online() == EVERYBODY, "every worker online")
    before = {name: stack.pids(name) for name in ("worker-", "scheduler")}

    with broker(stack.stack.redis_url):
        answers = app.control.broadcast("shutdown", reply=True, timeout=5, limit=4)

    assert len(answers) == len(EVERYBODY)  # type: ignore[arg-type]
    assert all("KeyError" in answer["error"] for one in answers for answer in one.values())  # type: ignore[union-attr]
    assert {name: stack.pids(name) for name in before} == before
    sees(stack, flower)


def test_hours_of_events_weigh_no_more_than_the_tasks_it_shows(
    stack: Bench, flower: FlowerApi
) -> None:
    (pid,) = stack.pids("flower")
    with broker(stack.stack.redis_url):
        make_events(flower, tasks=TASKS + TASKS // 10)
        filled = resident_mib(pid)
        make_events(flower, tasks=2 * TASKS)  # an idle hour makes 20,000
        afterwards = resident_mib(pid)

    shown = flower.get("/api/tasks", limit=3 * TASKS)
    assert len(shown) <= TASKS
    assert afterwards <= FLAT * filled
    assert [pid] == stack.pids("flower")
    sees(stack, flower)


def make_events(flower: FlowerApi, *, tasks: int) -> None:
    """What workers tell of so many tasks, as fast as Flower hears it."""
    ids = (str(uuid.uuid4()) for _ in range(tasks))
    with app.connection_for_write() as connection:
        told = EventDispatcher(
            connection, app=app, hostname="worker-1@test", buffer_group=["task"], buffer_limit=300
        )
        while some := list(itertools.islice(ids, 1000)):
            for one in some:
                told.send(
                    "task-received", uuid=one, name="volley.SendMessages",
                    args="50 messages from 123456", kwargs="{}", retries=0,
                )  # fmt: skip
                told.send("task-started", uuid=one)
                told.send("task-succeeded", uuid=one, result="None", runtime=0.01)
            told.flush()
            eventually(lambda last=some[-1]: flower.knows(last), seconds=SOON, every=0.05)  # type: ignore[misc]
