"""Postgres and Valkey that die, freeze, forget, fill up or cut connections (rows 5 to 9, 23)."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis
from redis.client import PubSub

from tests.chaos.harness import CANARY, Bench
from tests.chaos.invariants import broken, leaks
from tests.chaos.nemesis import (
    cut_connections,
    every,
    frozen,
    full_broker,
    full_disk,
    kill,
    wipe_broker,
)

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]


def test_a_broker_that_is_wiped_killed_and_full_loses_nobody(stack: Bench) -> None:
    campaign = stack.upload(600, stack.add_agents(16))
    stack.launch(campaign)
    stack.until_went(0.1)
    wipe_broker(stack)()
    stack.until_went(0.3)
    killed = kill(stack, "valkey")()
    stack.until_went(0.5)
    with full_broker(stack):
        threading.Event().wait(2)
    stack.until_went(0.7)
    wipe_broker(stack)()
    stack.converge()
    truth = stack.truth()

    assert killed
    assert not broken(truth)
    assert truth.statuses == {"delivered": 600}


def test_no_number_and_no_word_of_a_text_reaches_broker_events_metrics_or_a_log(
    stack: Bench,
) -> None:
    campaign = stack.upload(100, stack.add_agents(16))
    secrets = [*campaign.phones, CANARY]
    with Redis.from_url(stack.stack.redis_url) as redis, redis.pubsub() as events:
        events.psubscribe("*")  # the workers' events: all that Flower has to show
        stack.launch(campaign)
        stack.until_went(0.3)
        files = [*stack.stack.data_dir.glob("logs/*"), *_kept_by_valkey(stack)]
        under_way = leaks(secrets, redis=redis, files=[])
        stack.converge()
        afterwards = leaks(secrets, redis=redis, files=files)
        heard = b"".join(_heard(events))
    metrics = requests.get(f"{stack.stack.api_url}/metrics", timeout=10).content

    assert any(path.stat().st_size > 1000 for path in _kept_by_valkey(stack))
    assert not under_way
    assert not afterwards
    assert b"SendMessages" in heard
    assert b"volley_sends_total" in metrics
    assert not [secret for secret in secrets if secret.encode() in heard + metrics]


def test_while_the_broker_is_frozen_the_api_answers_and_later_all_goes(stack: Bench) -> None:
    first = stack.upload(200, stack.add_agents(16))
    stack.launch(first)
    stack.until_went(0.2)
    (valkey,) = stack.pids("valkey")
    with frozen(valkey):
        second = stack.upload(50, stack.add_agents(2))
        stack.launch(second)
        answered_meanwhile = stack.status(second)
    stack.converge()
    truth = stack.truth()

    assert answered_meanwhile == "running"
    assert not broken(truth)
    assert truth.statuses == {"delivered": 250}


def test_a_database_that_dies_and_cuts_connections_loses_nobody(stack: Bench) -> None:
    campaign = stack.upload(600, stack.add_agents(16))
    stack.launch(campaign)
    stack.until_went(0.2)
    killed = kill(stack, "postgres")()
    stack.until_went(0.4)
    with every(0.4, cut_connections(stack)) as cuts:
        stack.until_went(0.75)
    stack.converge()
    truth = stack.truth()

    assert killed
    assert cuts.times >= 2
    assert not broken(truth)
    assert truth.statuses == {"delivered": 600}


def test_a_full_disk_stops_sending_until_there_is_room(stack: Bench) -> None:
    campaign = stack.upload(300, stack.add_agents(16))
    stack.launch(campaign)
    stack.until_went(0.3)
    with full_disk(stack):
        threading.Event().wait(1)  # what was claimed before has gone by then
        before = len(stack.api.carrier_log())
        threading.Event().wait(2)
        meanwhile = len(stack.api.carrier_log()) - before
    stack.converge()
    truth = stack.truth()

    assert meanwhile == 0
    assert not broken(truth)
    assert truth.statuses == {"delivered": 300}


def _heard(events: PubSub) -> Iterator[bytes]:
    while (message := events.get_message(timeout=0.5)) is not None:
        data = message["data"]
        if isinstance(data, bytes) and data.startswith(b"{"):  # the workers' events
            yield base64.b64decode(json.loads(data)["body"])
        elif isinstance(data, bytes):  # what wakes dispatchers, and whatever else comes by
            yield data


def _kept_by_valkey(stack: Bench) -> list[Path]:
    return list((stack.stack.data_dir / "servers" / "valkey").resolve().glob("appendonlydir/*"))
