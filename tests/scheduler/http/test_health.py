"""What machines that watch are told, without a key and without personal data."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from scheduler.dispatch.leases import Leases
from scheduler.http import health
from shared.db import session
from tests.support.embedded import Servers


def test_it_is_alive_without_a_database_and_ready_only_with_one(
    api: TestClient, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(health.celery.conf, "broker_write_url", servers.redis_url)  # type: ignore[attr-defined]
    del api.headers["Authorization"]
    ready = api.get("/readyz")

    gone = session.connect("postgresql://postgres@127.0.0.1:1/none")
    with monkeypatch.context() as patch:
        patch.setattr(session, "engine", lambda: gone)
        alive, not_ready = api.get("/healthz"), api.get("/readyz")

    assert (ready.status_code, alive.status_code, not_ready.status_code) == (200, 200, 503)
    assert not_ready.json()["database"].startswith("does not answer")


def test_two_that_ask_for_the_numbers_first_are_both_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making = threading.Barrier(2)

    def slow() -> CollectorRegistry:
        with suppress(threading.BrokenBarrierError):  # the other one waits until it is made
            making.wait(timeout=0.2)
        return CollectorRegistry()

    monkeypatch.setattr(health, "CollectorRegistry", slow)
    monkeypatch.setattr(health, "REGISTRY", CollectorRegistry(auto_describe=True))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr(health, "_made", cache(health._made.__wrapped__))
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: health._registry(), range(2))

    assert first is second


def test_the_ledgers_numbers_are_read_when_they_are_asked_for(
    api: TestClient, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0.0)
    campaign_id = upload().json()["id"]
    api.post(f"/api/campaigns/{campaign_id}/launch")
    api.post("/api/sending/stop")

    lines = api.get("/metrics").text.splitlines()

    assert 'volley_messages{status="ready"} 1.0' in lines
    assert 'volley_campaigns{status="running"} 1.0' in lines
    assert "volley_sending_stopped 1.0" in lines
    assert "volley_waiting_callbacks 0.0" in lines
    assert sum(line.startswith("# TYPE volley_messages ") for line in lines) == 1


def test_agents_that_no_scheduler_dispatches_for_are_seen(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0.0)
    before = api.get("/metrics").text.splitlines()

    ann, bob = Leases("ann"), Leases("bob")
    for scheduler in (ann, bob, ann):
        scheduler.refresh()
    after = api.get("/metrics").text.splitlines()

    assert {"volley_schedulers 0.0", "volley_leases_held 0.0"} <= set(before)
    assert {"volley_schedulers 2.0", "volley_leases_held 32.0"} <= set(after)


def test_every_route_is_described(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]

    operations = [operation for path in paths.values() for operation in path.values()]
    assert "/api/campaigns/{campaign_id}/events" in paths
    assert all(operation.get("description") for operation in operations)


def test_the_docs_need_no_other_server(api: TestClient) -> None:
    page = api.get("/docs")

    assert page.status_code == 200
    assert "/api/campaigns/{campaign_id}/launch" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
