"""A campaign's life over HTTP: uploaded, launched, watched, stopped."""

import json
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shared.db.session import transaction

_ROWS = "phone,name\n+12025550101,Ana\n+12025550102,Bo\n12,Cy\n"


def test_an_upload_is_answered_with_its_report(upload: Any) -> None:
    answer = upload(_ROWS)

    assert answer.status_code == 201
    assert answer.json()["status"] == "ready"
    assert answer.json()["counts"] == {"ready": 2}
    assert answer.json()["report"]["rejected"] == 1
    assert answer.json()["report"]["rejects"][0]["code"] == "invalid_phone"


def test_an_upload_is_read_as_its_settings_say_and_doubts_are_in_the_report(upload: Any) -> None:
    rows = "phone;name,first\n+12025550101;JosÃ©, x\n"

    found = upload(rows, message="Hi {name first}").json()
    plainly = {"encoding": "cp1252", "delimiter": ",", "phone_column": "phone;name"}
    said = upload(rows, message="Hi {first}", **plainly)

    assert found["report"]["encoding"] == "utf-8"
    assert found["report"]["delimiter"] == ";"
    assert found["report"]["warnings"][0]["code"] == "encoded_twice"
    assert said.json()["report"]["encoding"] == "windows-1252"
    assert said.json()["report"]["delimiter"] == ","
    assert said.json()["report"]["rejected"] == 1


def test_the_same_upload_again_is_the_same_campaign(upload: Any) -> None:
    first = upload(_ROWS)

    again = upload(_ROWS)
    renamed = upload(_ROWS, name="autumn")

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert (renamed.status_code, renamed.json()["id"] == first.json()["id"]) == (201, False)


def test_settings_may_come_as_a_file_as_some_clients_send_json(api: TestClient, agent: str) -> None:
    settings = {"name": "x", "agent_id": agent, "message": "Hi"}

    answer = api.post(
        "/api/campaigns",
        files={
            "file": ("a.csv", _ROWS.encode(), "text/csv"),
            "settings": ("settings.json", json.dumps(settings).encode(), "application/json"),
        },
    )

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"agent_id": "nobody"}, "agent_not_found"),
        ({"message": "Hi {nme}"}, "unknown_placeholder"),
        ({"window": {"start": "09:00", "end": "17:00"}}, "not_available"),
        ({"surprise": 1}, "invalid_request"),
        ({"encoding": "base64"}, "unknown_encoding"),
        ({"encoding": "klingon"}, "unknown_encoding"),
        ({"delimiter": "x"}, "invalid_request"),
    ],
)
def test_settings_that_cannot_be_met_leave_no_campaign(
    api: TestClient, upload: Any, more: dict[str, Any], code: str
) -> None:
    answer = upload(_ROWS, **more)

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == code
    assert api.get("/api/campaigns").json()["data"] == []


def test_a_campaign_is_launched_paused_resumed_and_cancelled(api: TestClient, upload: Any) -> None:
    path = f"/api/campaigns/{upload(_ROWS).json()['id']}"

    def status(action: str) -> Any:
        return api.post(f"{path}/{action}").json()["status"]

    assert [status("launch"), status("launch")] == ["running", "running"]
    assert [status("pause"), status("pause")] == ["paused", "paused"]
    assert [status("resume"), status("cancel"), status("cancel")] == [
        "running",
        "cancelled",
        "cancelled",
    ]
    assert api.get(path).json()["counts"] == {"cancelled": 2}


def test_what_a_campaign_cannot_do_is_409_with_the_reason(api: TestClient, upload: Any) -> None:
    path = f"/api/campaigns/{upload(_ROWS).json()['id']}"

    paused = api.post(f"{path}/pause")
    api.post(f"{path}/cancel")
    launched = api.post(f"{path}/launch")

    assert paused.status_code == launched.status_code == 409
    assert "ready" in paused.json()["error"]["message"]
    assert "cancelled" in launched.json()["error"]["message"]


def test_the_pace_is_the_sum_of_the_agents_that_may_speak(api: TestClient, upload: Any) -> None:
    api.post("/api/agents", json={"id": "slow", "senders": ["+15005550007"]})
    path = (
        f"/api/campaigns/{upload(_ROWS, agent_id=None, agent_ids=['sales', 'slow']).json()['id']}"
    )

    before = api.get(path).json()
    both = api.post(f"{path}/launch").json()
    api.patch("/api/agents/slow", json={"status": "paused"})
    one = api.get(path).json()

    assert (before["rate"], before["eta_seconds"]) == (0, None)
    assert (both["rate"], both["eta_seconds"]) == (6, 0.3)
    assert (one["rate"], one["eta_seconds"]) == (5, 0.4)


def test_a_running_campaign_that_goes_nowhere_says_why(
    api: TestClient, agent: str, upload: Any
) -> None:
    path = f"/api/campaigns/{upload(_ROWS).json()['id']}"
    api.post(f"{path}/launch")

    api.patch(f"/api/agents/{agent}", json={"status": "paused"})
    held = api.get(path).json()
    api.post("/api/sending/stop")
    stopped = api.get(path).json()

    assert (held["rate"], stopped["rate"]) == (0, 0)
    assert "agent" in held["reason"]
    assert "sending is stopped" in stopped["reason"]


def test_all_sending_is_stopped_and_started_by_name(api: TestClient) -> None:
    stopped = api.post("/api/sending/stop").json()
    started = api.post("/api/sending/start").json()

    assert stopped["stopped"] is True
    assert stopped["stopped_by"].endswith("first key")
    assert started == {"stopped": False, "stopped_at": None, "stopped_by": None}


def test_a_change_is_checked_and_the_rest_stays(api: TestClient, upload: Any) -> None:
    campaign = upload(_ROWS).json()
    path = f"/api/campaigns/{campaign['id']}"

    changed = api.patch(path, json={"name": "summer", "priority": "reminder"}).json()
    wrong = api.patch(path, json={"priority": "urgent"})

    assert changed == campaign | {"name": "summer", "priority": "reminder"}
    assert wrong.status_code == 422


def test_the_list_shows_the_newest_first_page_by_page(api: TestClient, upload: Any) -> None:
    ids = [upload(_ROWS, name=name).json()["id"] for name in ("a", "b", "c")]

    first = api.get("/api/campaigns?limit=2").json()
    second = api.get(f"/api/campaigns?limit=2&after={ids[1]}").json()

    assert ([c["id"] for c in first["data"]], first["has_more"]) == (ids[:0:-1], True)
    assert ([c["id"] for c in second["data"]], second["has_more"]) == (ids[:1], False)
    assert "rejects" not in first["data"][0]["report"]


def test_progress_streams_until_the_campaign_has_ended(api: TestClient, upload: Any) -> None:
    path = f"/api/campaigns/{upload(_ROWS).json()['id']}"
    api.post(f"{path}/launch")
    ending = threading.Timer(1.2, lambda: api.post(f"{path}/cancel"))
    ending.start()

    stream = api.get(f"{path}/events")
    ending.join()

    lines = [line for line in stream.text.splitlines() if line.startswith("data: ")]
    seen = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert seen[0]["status"] == "running"
    assert seen[0]["counts"] == {"ready": 2}
    assert {"rate", "eta_seconds"} <= seen[0].keys()
    assert seen[-1]["status"] == "cancelled"
    assert len(seen) >= 3


def test_what_nobody_can_prove_is_resolved_by_a_person_with_a_reason(
    api: TestClient, upload: Any
) -> None:
    path = f"/api/campaigns/{upload(_ROWS).json()['id']}"
    api.post(f"{path}/launch")
    with transaction() as connection:
        connection.execute(text("UPDATE message SET status = 'unknown', due_at = NULL"))

    silent = api.post(f"{path}/resolve-unknown", json={"as": "failed"})
    told = api.post(f"{path}/resolve-unknown", json={"as": "failed", "reason": "asked them"})

    assert silent.status_code == 422
    assert (told.json()["resolved"], told.json()["counts"]) == (2, {"failed": 2})
