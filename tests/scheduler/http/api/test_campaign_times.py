"""When a campaign starts and ends, over HTTP: what cannot be met is refused, once."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared import clock
from tests.support import factories

NOW = datetime(2026, 11, 27, 18, 0, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock; it stands at NOW."""

    def to(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    to(NOW)
    return to


def refused(answer: Any) -> Any:
    assert answer.status_code == 422
    return answer.json()["error"]["code"]


@pytest.mark.parametrize(
    "start",
    [
        NOW - SECOND,
        NOW - HOUR,
        NOW - timedelta(days=400),
        (NOW - SECOND).astimezone(timezone(timedelta(hours=14))),
        (NOW - SECOND).astimezone(timezone(timedelta(hours=-12))),
    ],
)
def test_a_start_that_has_passed_is_refused_and_leaves_nothing(
    api: TestClient, at: Any, upload: Any, start: datetime
) -> None:
    answer = upload(scheduled_at=start.isoformat())

    assert refused(answer) == "past_schedule"
    assert "it is 2026-11-27T18:00:00Z here" in answer.json()["error"]["message"]
    assert api.get("/api/campaigns").json()["data"] == []
    assert factories.rows("SELECT * FROM upload") == []


@pytest.mark.parametrize("start", [NOW, NOW + SECOND])
def test_a_start_now_or_later_is_taken(at: Any, upload: Any, start: datetime) -> None:
    assert upload(scheduled_at=start.isoformat()).status_code == 201


@pytest.mark.parametrize(
    ("start", "deadline", "code"),
    [
        (NOW + HOUR, NOW + HOUR, "deadline_before_start"),
        (NOW + HOUR, NOW + HOUR - SECOND, "deadline_before_start"),
        (NOW + HOUR, NOW - HOUR, "deadline_before_start"),
        (NOW - HOUR, NOW - 2 * HOUR, "past_schedule"),
        (NOW - HOUR, NOW + HOUR, "past_schedule"),
        (None, NOW, "send_before_past"),
        (None, NOW - SECOND, "send_before_past"),
    ],
)
def test_a_deadline_by_which_nothing_could_go_is_refused(
    api: TestClient, at: Any, upload: Any, start: datetime | None, deadline: datetime, code: str
) -> None:
    given = {"scheduled_at": start.isoformat() if start else None}

    assert refused(upload(send_before=deadline.isoformat(), **given)) == code
    assert api.get("/api/campaigns").json()["data"] == []


@pytest.mark.parametrize(
    "written",
    ["2026-12-01T18:00:00", "2026-12-01", "tomorrow", "9999-12-31T23:59:59-12:00", 10**30],
)
@pytest.mark.parametrize("field", ["scheduled_at", "send_before"])
def test_an_instant_that_is_none_is_refused(upload: Any, field: str, written: object) -> None:
    answer = upload(**{field: written})

    assert refused(answer) == "invalid_request"
    assert answer.json()["error"]["message"].startswith(f"settings.{field}: ")


def test_the_same_upload_again_is_the_same_campaign_after_its_start_and_its_end(
    api: TestClient, at: Any, upload: Any
) -> None:
    times = {"scheduled_at": (NOW + HOUR).isoformat(), "send_before": (NOW + 2 * HOUR).isoformat()}
    first = upload(**times).json()

    answers = []
    for passed in (HOUR, HOUR + SECOND, 3 * HOUR):
        at(NOW + passed)
        answers.append(upload(**times))

    assert [(a.status_code, a.json()["id"]) for a in answers] == [(200, first["id"])] * 3
    assert refused(upload("phone,name\n+12025550199,Zoe\n", **times)) == "past_schedule"
    assert refused(upload(name="autumn", **times)) == "past_schedule"
    assert len(factories.rows("SELECT id FROM upload")) == 1


def test_the_same_upload_again_is_the_same_campaign_after_its_agent_was_deleted(
    api: TestClient, upload: Any
) -> None:
    first = upload().json()
    api.post(f"/api/campaigns/{first['id']}/cancel")
    assert api.delete("/api/agents/sales").status_code == 204

    again = upload()

    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert refused(upload(name="autumn")) == "agent_not_found"


def test_one_instant_is_one_setting_however_its_offset_is_written(at: Any, upload: Any) -> None:
    start = NOW + HOUR
    first = upload(scheduled_at=start.isoformat().replace("+00:00", "Z"))

    tokyo = upload(scheduled_at=start.astimezone(timezone(timedelta(hours=9))).isoformat())

    assert (tokyo.status_code, tokyo.json()["id"]) == (200, first.json()["id"])
    assert tokyo.json()["scheduled_at"] == "2026-11-27T19:00:00Z"


def test_an_answer_kept_under_a_key_is_given_again_after_the_start(at: Any, upload: Any) -> None:
    times = {"scheduled_at": (NOW + HOUR).isoformat()}
    first = upload(headers={"Idempotency-Key": "k"}, **times)

    at(NOW + 2 * HOUR)
    again = upload(headers={"Idempotency-Key": "k"}, **times)

    assert (again.status_code, again.json()) == (201, first.json())


def test_a_refused_start_mended_may_use_its_key_again(at: Any, upload: Any) -> None:
    key = {"Idempotency-Key": "k"}

    late = upload(headers=key, scheduled_at=(NOW - HOUR).isoformat())
    mended = upload(headers=key, scheduled_at=(NOW + HOUR).isoformat())

    assert (refused(late), mended.status_code) == ("past_schedule", 201)


def test_a_campaign_launched_after_its_start_starts_at_once(
    api: TestClient, at: Any, upload: Any
) -> None:
    made = upload(scheduled_at=(NOW + HOUR).isoformat()).json()
    at(NOW + 2 * HOUR)

    launched = api.post(f"/api/campaigns/{made['id']}/launch").json()

    assert launched["status"] == "running"
    assert launched["started_at"] is not None


@pytest.mark.parametrize(
    ("deadline", "code"),
    [
        (NOW + HOUR, "deadline_before_start"),
        (NOW + SECOND, "deadline_before_start"),
        (NOW - HOUR, "deadline_before_start"),
    ],
)
def test_a_new_deadline_lies_after_the_start(
    api: TestClient, at: Any, upload: Any, deadline: datetime, code: str
) -> None:
    path = f"/api/campaigns/{upload(scheduled_at=(NOW + HOUR).isoformat()).json()['id']}"

    answer = api.patch(path, json={"send_before": deadline.isoformat(), "name": "x"})

    assert refused(answer) == code
    assert (api.get(path).json()["send_before"], api.get(path).json()["name"]) == (None, "spring")


def test_a_new_deadline_lies_ahead_and_may_be_repeated_and_lifted_after_it_has_passed(
    api: TestClient, at: Any, upload: Any
) -> None:
    path = f"/api/campaigns/{upload().json()['id']}"
    deadline = {"send_before": (NOW + HOUR).isoformat()}
    past = api.patch(path, json={"send_before": (NOW - SECOND).isoformat()})
    taken = api.patch(path, json=deadline)

    at(NOW + 2 * HOUR)
    again = api.patch(path, json=deadline | {"name": "x"})
    lifted = api.patch(path, json={"send_before": None})

    assert refused(past) == "send_before_past"
    assert taken.json()["send_before"] == "2026-11-27T19:00:00Z"
    assert (again.status_code, again.json()["name"]) == (200, "x")
    assert (lifted.status_code, lifted.json()["send_before"]) == (200, None)
