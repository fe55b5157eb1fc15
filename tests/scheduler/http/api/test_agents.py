"""Agents: who speaks, from where, how fast, and what holds them."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shared import clock
from shared.db.session import transaction
from shared.ledger.holds import NewHold, hold
from shared.secrets import unseal

_NEW = {"id": "north", "senders": ["+15005550006"]}


def test_an_agent_that_says_nothing_starts_one_session_a_second(api: TestClient) -> None:
    made = api.post("/api/agents", json=_NEW)

    assert made.status_code == 201
    assert made.json() == api.get("/api/agents/north").json()
    assert made.json()["sessions_per_second"] == 1
    assert made.json()["status"] == "active"
    assert made.json()["holds"] == []
    assert made.json()["sender_mode"] == "platform_rental"


def test_senders_are_numbers_as_people_write_them_or_short_codes(api: TestClient) -> None:
    senders = ["+1 (500) 555-0006", {"number": "12345", "primary": True}]

    made = api.post("/api/agents", json={"id": "north", "senders": senders}).json()

    assert made["senders"] == [
        {"number": "12345", "primary": True},
        {"number": "+15005550006", "primary": False},
    ]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"senders": []}, "no_sender"),
        ({"senders": ["+15005550006", "+15005550006"]}, "duplicate_sender"),
        ({"sessions_per_second": 0.5}, "invalid_request"),
        ({"sessions_per_second": 6}, "invalid_request"),
        ({"timezone": "Mars/Base"}, "invalid_request"),
        ({"provider": "vonage"}, "not_available"),
        ({"opener": {"kind": "llm"}}, "not_available"),
        ({"opener": {"kind": "template", "template": "Hi {"}}, "unbalanced_brace"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    api: TestClient, more: dict[str, Any], code: str
) -> None:
    answer = api.post("/api/agents", json=_NEW | more)

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == code


def test_credentials_go_in_sealed_and_never_come_out(api: TestClient) -> None:
    account = {
        "account_sid": "AC" + "7" * 32,
        "auth_token": "s3cret",
        "api_url": "http://127.0.0.1:9/",
    }

    made = api.post("/api/agents", json=_NEW | {"provider_settings": account})
    with transaction() as connection:
        row = connection.execute(text("SELECT credentials, account FROM agent")).one()
    audit = api.get("/api/audit").text

    assert made.json()["sender_mode"] == "own_account"
    assert unseal(bytes(row.credentials))["auth_token"] == "s3cret"
    assert row.account == "twilio:" + account["account_sid"]
    assert "s3cret" not in made.text + api.get("/api/agents").text + audit


def test_a_new_rate_counts_from_its_day_on(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW | {"sessions_per_second": 2})
    tomorrow = clock.now() + timedelta(days=1)

    changed = api.patch(
        "/api/agents/north",
        json={"sessions_per_second": 5, "effective_at": tomorrow.isoformat()},
    ).json()
    with transaction() as connection:
        connection.execute(text("UPDATE agent SET next_rate_at = now() - interval '1 second'"))
    later = api.get("/api/agents/north").json()

    assert (changed["sessions_per_second"], changed["next_sessions_per_second"]) == (2, 5)
    assert later["sessions_per_second"] == 5
    assert "next_sessions_per_second" not in later


def test_a_rate_without_a_day_counts_at_once_and_takes_the_place_of_a_planned_one(
    api: TestClient,
) -> None:
    api.post(
        "/api/agents", json=_NEW | {"sessions_per_second": 5, "effective_at": "2999-01-01T00:00Z"}
    )

    changed = api.patch("/api/agents/north", json={"sessions_per_second": 3}).json()

    assert changed["sessions_per_second"] == 3
    assert "effective_at" not in changed


def test_a_change_leaves_the_rest_as_it_was(api: TestClient) -> None:
    opener = {"kind": "template", "template": "Hi {name}"}
    before = api.post("/api/agents", json=_NEW | {"opener": opener, "name": "North"}).json()

    after = api.patch("/api/agents/north", json={"name": "The North"}).json()

    assert after == before | {"name": "The North"}


def test_the_last_voice_cannot_be_taken_from_an_agent(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW)

    answer = api.patch("/api/agents/north", json={"senders": []})

    assert answer.json()["error"]["code"] == "no_sender"
    assert api.get("/api/agents/north").json()["senders"]


def test_a_hold_is_shown_with_its_mend_until_somebody_says_active(
    api: TestClient, upload: Any
) -> None:
    campaign = upload().json()
    with transaction() as connection:
        key = connection.execute(text("SELECT key FROM agent")).scalar_one()
        hold(connection, NewHold(key, "sender", "+15005550006", 21606, None, "Buy the number."))
        connection.execute(text("UPDATE message SET due_at = now() + interval '5 min'"))

    held = api.get("/api/agents/sales").json()
    lifted = api.patch("/api/agents/sales", json={"status": "active"}).json()
    message = api.get(f"/api/campaigns/{campaign['id']}/messages").json()["data"][0]

    assert held["status"] == "paused"
    assert held["holds"] == [
        {
            "scope": "sender",
            "code": 21606,
            "until": None,
            "fix": "Buy the number.",
            "subject": "+15005550006",
        }
    ]
    assert (lifted["status"], lifted["holds"]) == ("active", [])
    assert message["due_at"] <= clock.now().isoformat()


def test_an_agent_is_kept_while_a_campaign_needs_it(api: TestClient, upload: Any) -> None:
    campaign_id = upload().json()["id"]

    refused = api.delete("/api/agents/sales")
    api.post(f"/api/campaigns/{campaign_id}/cancel")
    deleted = api.delete("/api/agents/sales")

    assert refused.status_code == 409
    assert refused.json()["error"]["details"] == {"campaign_ids": [campaign_id]}
    assert deleted.status_code == 204
    assert api.get("/api/agents/sales").status_code == 404


def test_a_deleted_agents_id_may_be_used_again_and_the_history_stays(
    api: TestClient, upload: Any
) -> None:
    campaign_id = upload().json()["id"]
    api.post(f"/api/campaigns/{campaign_id}/cancel")
    api.delete("/api/agents/sales")

    made = api.post("/api/agents", json={"id": "sales", "senders": ["+15005550007"]})

    assert made.status_code == 201
    assert [sender["number"] for sender in made.json()["senders"]] == ["+15005550007"]
    assert api.get(f"/api/campaigns/{campaign_id}").json()["agent_ids"] == ["sales"]


def test_an_id_names_one_agent(api: TestClient) -> None:
    api.post("/api/agents", json=_NEW)

    again = api.post("/api/agents", json=_NEW)

    assert again.status_code == 409
    assert again.json()["error"]["code"] == "agent_exists"


def test_the_list_is_read_page_by_page(api: TestClient) -> None:
    for name in "abc":
        api.post("/api/agents", json=_NEW | {"id": name})

    first = api.get("/api/agents?limit=2").json()
    second = api.get("/api/agents?limit=2&after=b").json()

    assert ([a["id"] for a in first["data"]], first["has_more"]) == (["a", "b"], True)
    assert ([a["id"] for a in second["data"]], second["has_more"]) == (["c"], False)


def test_agents_follow_the_platforms_account_when_the_settings_change_it(api: TestClient) -> None:
    from scheduler.agents import store

    api.post("/api/agents", json=_NEW)
    with transaction() as connection:
        connection.execute(text("UPDATE agent SET account = 'twilio:ACformer'"))

    moved = store.follow_platform_account()

    assert moved == 1
    with transaction() as connection:
        assert connection.execute(text("SELECT account FROM agent")).scalar_one().endswith("0" * 32)
