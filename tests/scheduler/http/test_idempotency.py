"""A POST that is sent again, because an answer was lost on its way, does nothing a second time."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shared.db.session import transaction
from shared.errors import InWords, Misconfigured, Refused

_NEW = {"id": "north", "senders": ["+15005550006"]}
_KEY = {"Idempotency-Key": "k-1"}


def test_the_same_request_again_gets_the_same_answer(api: TestClient) -> None:
    first = api.post("/api/agents", json=_NEW, headers=_KEY)

    again = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first.headers


def test_a_key_used_for_something_else_is_a_mistake_of_the_client(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW, headers=_KEY)

    other = api.post("/api/agents", json=_NEW | {"id": "south"}, headers=_KEY)

    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_key_reused"


def test_an_upload_sent_again_counts_as_the_same_whatever_boundary_its_client_chose(
    upload: Any,
) -> None:
    first = upload(headers=_KEY)

    again = upload(headers=_KEY)

    assert first.request.headers["Content-Type"] != again.request.headers["Content-Type"]
    assert (again.status_code, again.json()) == (201, first.json())


def test_one_key_on_two_routes_is_two_requests(api: TestClient, upload: Any) -> None:
    campaign_id = upload().json()["id"]

    launched = api.post(f"/api/campaigns/{campaign_id}/launch", headers=_KEY)
    paused = api.post(f"/api/campaigns/{campaign_id}/pause", headers=_KEY)

    assert launched.json()["status"] == "running"
    assert paused.json()["status"] == "paused"


def test_a_refusal_did_nothing_so_the_key_may_be_used_again(api: TestClient) -> None:
    refused = api.post("/api/agents", json={"id": "north"}, headers=_KEY)

    mended = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert refused.status_code == 422
    assert mended.status_code == 201


def test_while_the_first_is_under_way_the_second_is_asked_to_wait(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW, headers=_KEY)
    _pretend("status = NULL, body = NULL, created_at = now()")

    second = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "in_progress"
    assert int(second.headers["Retry-After"]) >= 1


def test_nobody_waits_for_a_process_that_was_killed(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW, headers=_KEY)
    _pretend("status = NULL, body = NULL, created_at = now() - interval '1 minute'")

    second = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert second.json()["error"]["code"] == "agent_exists"


def test_an_answer_is_kept_for_a_day(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW, headers=_KEY)
    _pretend("created_at = now() - interval '25 hours'")

    later = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert later.json()["error"]["code"] == "agent_exists"


def test_another_api_key_never_gets_this_ones_answers(
    api: TestClient, key_of: Callable[[str], dict[str, str]]
) -> None:
    api.post("/api/keys", json={"name": "x", "role": "viewer"}, headers=_KEY)

    stranger = api.post(
        "/api/keys", json={"name": "x", "role": "viewer"}, headers=_KEY | key_of("operator")
    )

    assert stranger.status_code == 403


def test_a_new_api_key_lies_nowhere_in_plain_text(api: TestClient) -> None:
    made = api.post("/api/keys", json={"name": "x", "role": "viewer"}, headers=_KEY).json()

    with transaction() as connection:
        kept = connection.execute(text("SELECT body FROM idempotent_answer")).scalar_one()
    again = api.post("/api/keys", json={"name": "x", "role": "viewer"}, headers=_KEY).json()

    assert made["key"].encode() not in bytes(kept)
    assert again["key"] == made["key"]


@pytest.mark.parametrize("kind", [Refused, Misconfigured])
def test_what_was_done_is_answered_even_if_the_answer_cannot_be_kept(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, kind: type[InWords]
) -> None:
    def cannot(_: object) -> bytes:
        raise kind("wrong_secret_key", "Set the former key.")

    monkeypatch.setattr("scheduler.http.idempotency.seal", cannot)

    made = api.post("/api/agents", json=_NEW, headers=_KEY)

    assert (made.status_code, made.json()["id"]) == (201, "north")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(api: TestClient, key: str) -> None:
    answer = api.post("/api/agents", json=_NEW, headers={"Idempotency-Key": key})

    assert answer.json()["error"]["code"] == "invalid_idempotency_key"


def _pretend(changes: str) -> None:
    with transaction() as connection:
        connection.execute(text(f"UPDATE idempotent_answer SET {changes}"))
