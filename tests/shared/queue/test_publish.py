"""Jobs put on a real broker, and on one that is away."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from deploy.local.system import ports
from shared import metrics
from shared.queue.app import app
from shared.queue.jobs import ApplyReceipts, ComposeOpeners, SendMessages
from shared.queue.publish import publish
from tests.support.broker import broker
from tests.support.embedded import Servers


@pytest.fixture
def queues(servers: Servers) -> Iterator[Redis]:
    """An empty broker, to which jobs are published."""
    with (
        Redis.from_url(servers.redis_url, decode_responses=True) as redis,
        broker(servers.redis_url),
    ):
        redis.flushdb()
        yield redis


def waiting(queues: Redis, name: str) -> list[dict[str, Any]]:
    """What waits on a queue, oldest first: each message of the broker's, its body opened."""
    found = [json.loads(raw) for raw in reversed(queues.lrange(f"volley:{name}", 0, -1))]
    for message in found:
        message["body"] = json.loads(base64.b64decode(message["body"]))
    return found


def test_each_job_lands_on_the_queue_of_its_kind(queues: Redis) -> None:
    jobs = [
        SendMessages(release=((1, 1.5, 2),)),
        ComposeOpeners(message_ids=(3,)),
        ApplyReceipts(),
        SendMessages(release=((4, 2.5, 5),)),
    ]

    published = publish(jobs)

    assert published == 4
    assert [m["body"][0] for m in waiting(queues, "send")] == [
        [{"release": [[1, 1.5, 2]]}],
        [{"release": [[4, 2.5, 5]]}],
    ]
    assert [m["body"][0] for m in waiting(queues, "compose")] == [[{"message_ids": [3]}]]
    assert [m["body"][0] for m in waiting(queues, "receipts")] == [[{}]]


def test_a_job_travels_as_json_under_its_own_name(queues: Redis) -> None:
    publish([ComposeOpeners(message_ids=(3,))])

    (message,) = waiting(queues, "compose")
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "volley.ComposeOpeners"
    assert message["headers"]["eta"] is None


def test_nothing_to_publish_is_nothing(queues: Redis) -> None:
    assert publish([]) == 0


def test_a_publish_that_fails_is_counted_and_not_raised() -> None:
    before = metrics.publish_failures._value.get()

    with broker(f"redis://127.0.0.1:{ports.any_free()}/0"):
        published = publish([ApplyReceipts()])

    assert published == 0
    assert metrics.publish_failures._value.get() == before + 1


def test_a_bug_in_what_makes_the_jobs_is_not_taken_for_trouble_with_the_broker(
    queues: Redis,
) -> None:
    def jobs() -> Iterator[ApplyReceipts]:
        yield ApplyReceipts()
        raise LookupError

    with pytest.raises(LookupError):
        publish(jobs())


def test_publishing_works_again_when_the_broker_is_back(servers: Servers) -> None:
    with broker(f"redis://127.0.0.1:{ports.any_free()}/0"):
        publish([ApplyReceipts()])

    with broker(servers.redis_url):
        assert publish([ApplyReceipts()]) == 1


def test_more_threads_than_connections_publish_at_once_and_all_get_through(queues: Redis) -> None:
    limit = app.conf.broker_pool_limit
    with ThreadPoolExecutor(4 * limit) as threads:
        published = list(threads.map(lambda _: publish([ApplyReceipts()] * 5), range(8 * limit)))

    assert published == [5] * (8 * limit)
    assert len(waiting(queues, "receipts")) == 5 * 8 * limit


def test_publishers_whose_jobs_publish_themselves_do_not_wait_for_each_other(queues: Redis) -> None:
    limit = app.conf.broker_pool_limit

    def nested(_: int) -> int:
        def jobs() -> Iterator[ApplyReceipts]:
            assert publish([ApplyReceipts()]) == 1
            yield ApplyReceipts()

        return publish(jobs())

    with ExitStack() as taken:
        for _ in range(limit - 1):  # the others wait for a silent broker
            taken.enter_context(app.pool.acquire(block=True))

        assert nested(0) == 1
    with ThreadPoolExecutor(2 * limit) as threads:
        assert list(threads.map(nested, range(4 * limit))) == [1] * (4 * limit)


def test_with_every_connection_waiting_for_a_silent_broker_a_publish_fails_as_others_do(
    queues: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.publish.CONNECTION_WAIT", 0.1)
    before = metrics.publish_failures._value.get()
    with ExitStack() as taken:
        for _ in range(app.conf.broker_pool_limit):
            taken.enter_context(app.pool.acquire(block=True))

        assert publish([ApplyReceipts()]) == 0

    assert metrics.publish_failures._value.get() == before + 1
    assert publish([ApplyReceipts()]) == 1


def test_a_publish_works_again_after_a_block_on_another_broker(queues: Redis) -> None:
    assert publish([ApplyReceipts()]) == 1

    with broker(f"redis://127.0.0.1:{ports.any_free()}/0"):
        assert publish([ApplyReceipts()]) == 0

    assert publish([ApplyReceipts()]) == 1
