"""Whatever is sent, the answer is in our shape, says what to do, and is never a 500."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared.db import session

_JSON = {"Content-Type": "application/json"}
_IDS = [
    "0",
    "-1",
    "x",
    "1.5",
    "9" * 40,
    "2147483648",
    "%00",
    "٣",
    " 1",
    "1%0a",
    "../1",
    "%F0%9F%98%80",
]


@pytest.mark.parametrize(
    "path",
    [
        "/api/campaigns/{}",
        "/api/campaigns/{}/messages",
        "/api/campaigns/{}/messages.csv",
        "/api/campaigns/{}/rejects.csv",
        "/api/campaigns/{}/events",
        "/api/messages/{}",
        "/api/agents/{}",
    ],
)
def test_an_id_that_cannot_exist_does_not_exist(api: TestClient, path: str) -> None:
    answers = [api.get(path.format(odd)) for odd in _IDS]

    assert [answer.status_code for answer in answers] == [404] * len(_IDS)
    assert all(answer.json()["error"]["message"] for answer in answers)


_BODIES: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"3",
    b'"x"',
    b"\xff\xfe",
    b'{"id": "a\\u0000b"}',
    b'{"id": "ok", "name": "\\ud800", "senders": ["+15005550006"]}',
    b'{"id": "ok", "senders": ["+15005550006"], "sessions_per_second": NaN}',
    b'{"id": "ok", "senders": ["+15005550006"], "sessions_per_second": 1e400}',
    b'{"id": 99999999999999999999999999}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("path", ["/api/agents", "/api/suppressions", "/api/keys"])
def test_a_body_that_makes_no_sense_is_told_so(api: TestClient, path: str) -> None:
    answers = [api.post(path, content=body, headers=_JSON) for body in _BODIES]

    assert [answer.status_code for answer in answers] == [422] * len(_BODIES)
    assert all(set(a.json()["error"]) == {"code", "message", "details"} for a in answers)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = [
    "id",
    "name",
    "provider",
    "senders",
    "messaging_service_sid",
    "sessions_per_second",
    "effective_at",
    "timezone",
    "opener",
    "provider_settings",
    "status",
    "number",
    "scope",
    "reason",
    "role",
]
_SENSIBLE = st.sampled_from(["sales", "+15005550006", "all", "2027-01-01T00:00:00Z", 3, "twilio"])


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(["/api/agents", "/api/suppressions", "/api/keys"]),
    body=st.dictionaries(st.sampled_from(_FIELDS), _SENSIBLE | _VALUES, max_size=8) | _VALUES,
)
def test_no_json_document_makes_the_api_fail(api: TestClient, path: str, body: Any) -> None:
    answer = api.post(path, content=json.dumps(body), headers=_JSON)

    assert answer.status_code < 500, answer.text


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    settings=st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
    file=st.binary(max_size=200),
    filename=st.text(min_size=1, max_size=20),
)
def test_no_upload_makes_the_api_fail(
    api: TestClient, settings: bytes, file: bytes, filename: str
) -> None:
    answer = api.post(
        "/api/campaigns", files={"file": (filename, file), "settings": (None, settings)}
    )

    assert answer.status_code in {415, 422}, answer.text


@pytest.mark.parametrize(
    "rows", ["", "phone\n", "a,b\n1,2\n", "phone,phone\n1,2\n", "\x00\x00\x00"]
)
def test_a_file_that_is_no_campaign_is_refused_with_what_to_do(upload: Any, rows: str) -> None:
    answer = upload(rows)

    assert answer.status_code == 422
    assert len(answer.json()["error"]["message"]) > 20


def test_a_nul_in_the_settings_is_refused_before_anything_is_stored(
    api: TestClient, upload: Any
) -> None:
    answer = upload(message="Hi \x00")

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_text"
    assert api.get("/api/campaigns").json()["data"] == []


def test_several_mistakes_are_told_together_and_no_value_is_repeated(api: TestClient) -> None:
    account = {"account_sid": "XX", "auth_token": "s3cret-token", "region": "eu"}
    wrong = {"id": "x y", "senders": ["12"], "provider_settings": account}

    answer = api.post("/api/agents", json=wrong)

    fields = {error["field"] for error in answer.json()["error"]["details"]["errors"]}
    assert fields >= {"id", "senders.0.number", "provider_settings.account_sid"}
    assert "s3cret" not in answer.text


def test_a_form_is_no_json(api: TestClient) -> None:
    answer = api.post("/api/agents", data={"id": "sales"})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


def test_a_campaign_needs_a_form_and_is_told_so(api: TestClient) -> None:
    no_form = api.post("/api/campaigns", json={"name": "x"})
    no_file = api.post("/api/campaigns", files={"settings": (None, b"{}")})
    no_settings = api.post("/api/campaigns", files={"file": ("a.csv", b"phone\n1\n")})

    assert no_form.status_code == 415
    assert no_file.json()["error"]["code"] == "file_missing"
    assert no_settings.json()["error"]["code"] == "settings_missing"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/agents", 405),
        ("DELETE", "/api/campaigns", 405),
        ("GET", "/api/no-such-thing", 404),
        ("GET", "/api/schedules", 404),
        ("GET", "/api/conversations", 404),
        ("POST", "/api/campaigns/1/approve", 404),
    ],
)
def test_what_is_not_there_is_not_pretended(
    api: TestClient, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_while_the_database_is_away_the_answer_is_503_and_says_to_come_back(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = session.connect("postgresql://postgres@127.0.0.1:1/none")
    with monkeypatch.context() as patch:
        patch.setattr(session, "engine", lambda: gone)
        answer = api.get("/api/agents")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_bug_is_logged_and_its_insides_are_not_shown(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr("scheduler.agents.store.page", broken)

    answer = api.get("/api/agents")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "s3cret" not in answer.text
