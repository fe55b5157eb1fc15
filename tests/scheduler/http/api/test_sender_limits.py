"""How many segments a sender may carry: given, shown, changed and taken away."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shared import clock
from shared.db.session import transaction
from tests.support.ledger import TODAY, TOMORROW

NUMBER = "+15005550006"


def agent(**limits: Any) -> dict[str, Any]:
    return {"id": "sales", "senders": [{"number": NUMBER} | limits], "sessions_per_second": 5}


def execute(statement: str) -> None:
    with transaction() as connection:
        connection.execute(text(statement))


def test_a_senders_limits_are_shown_with_what_it_has_used_of_its_day(api: TestClient) -> None:
    limits = {"segments_per_second": 1.5, "segments_per_day": 2000}

    made = api.post("/api/agents", json=agent(**limits)).json()
    execute(f"UPDATE sender_limit SET day = {TODAY}, used = 40")
    later = api.get("/api/agents/sales").json()
    execute("UPDATE sender_limit SET day = day - 1")
    next_day = api.get("/api/agents/sales").json()

    shown = {"number": NUMBER, "primary": False} | limits
    assert made["senders"] == [shown | {"segments_today": 0}]
    assert later["senders"] == [shown | {"segments_today": 40}]
    assert next_day["senders"] == [shown | {"segments_today": 0}]


def test_a_sender_without_a_limit_is_shown_without_one(api: TestClient) -> None:
    given = agent(segments_per_second=None, segments_per_day=None)

    made = api.post("/api/agents", json=given)

    assert made.json()["senders"] == [{"number": NUMBER, "primary": False}]


@pytest.mark.parametrize("wrong", [0, -1, 0.01, 1001, 1e300, "fast", True, [1]])
@pytest.mark.parametrize("field", ["segments_per_second", "segments_per_day"])
def test_what_cannot_be_a_limit_is_refused_by_its_name(
    api: TestClient, field: str, wrong: Any
) -> None:
    if (field, wrong) == ("segments_per_day", 1001):
        wrong = 100_000_001

    answer = api.post("/api/agents", json=agent(**{field: wrong}))

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid_request")
    assert field in answer.text


def test_a_day_has_whole_segments(api: TestClient) -> None:
    assert api.post("/api/agents", json=agent(segments_per_day=2.5)).status_code == 422


def test_a_limit_out_of_bounds_says_what_is_possible(api: TestClient) -> None:
    answer = api.post("/api/agents", json=agent(segments_per_second=0))

    assert "0.1 to 1,000 segments a second are possible" in answer.text
    assert "leave it out for no limit" in answer.text


def test_new_limits_take_the_place_of_the_old_and_none_of_both(api: TestClient) -> None:
    api.post("/api/agents", json=agent(segments_per_second=1, segments_per_day=9))

    tighter = api.patch("/api/agents/sales", json={"senders": agent(segments_per_day=5)["senders"]})
    bare = api.patch("/api/agents/sales", json={"senders": [NUMBER]})

    assert tighter.json()["senders"][0].get("segments_per_second") is None
    assert tighter.json()["senders"][0]["segments_per_day"] == 5
    assert bare.json()["senders"] == [{"number": NUMBER, "primary": False}]
    with transaction() as connection:
        holds = connection.execute(text("SELECT * FROM sender_limit")).one()
    assert (holds.segments_per_second, holds.segments_per_day) == (None, None)


def test_a_change_of_something_else_leaves_the_limits_as_they_were(api: TestClient) -> None:
    before = api.post("/api/agents", json=agent(segments_per_second=1)).json()

    after = api.patch("/api/agents/sales", json={"name": "Sales"}).json()

    assert after == before | {"name": "Sales"}


def test_what_waits_for_the_next_day_goes_on_at_once_when_its_limit_is_raised(
    api: TestClient, upload: Any
) -> None:
    campaign = upload().json()["id"]
    api.patch("/api/agents/sales", json={"senders": agent(segments_per_day=1)["senders"]})
    execute(f"UPDATE sender_limit SET day = {TODAY}, used = 1")
    execute(f"UPDATE message SET due_at = {TOMORROW}")

    raised = api.patch("/api/agents/sales", json={"senders": agent(segments_per_day=2)["senders"]})
    message = api.get(f"/api/campaigns/{campaign}/messages").json()["data"][0]

    assert raised.status_code == 200
    assert message["due_at"] <= clock.now().isoformat()


def test_another_agents_new_limit_does_not_wake_what_waits_for_something_else(
    api: TestClient, upload: Any
) -> None:
    campaign = upload().json()["id"]
    execute(f"UPDATE message SET due_at = {TOMORROW}")

    api.post("/api/agents", json=agent(segments_per_day=9) | {"id": "other"})
    message = api.get(f"/api/campaigns/{campaign}/messages").json()["data"][0]

    assert message["due_at"] > clock.now().isoformat()


def test_a_whole_number_is_one_however_json_writes_it(api: TestClient) -> None:
    made = api.post("/api/agents", json=agent(segments_per_day=2000.0))

    assert made.status_code == 201
    assert made.json()["senders"][0]["segments_per_day"] == 2000
