"""Each kind of refusal reaches whoever asked with the status that its code stands for.

The status is the edge's to know: what refuses says a code and a sentence. So every code of the
edge's table is provoked here by a real request, and a code without a request fails.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient

from scheduler.http.errors import RETRY_AFTER, STATUS, answer
from shared.db import session
from shared.errors import Misconfigured, Refused
from shared.settings import settings
from tests.support import factories

#: The edge for providers' callbacks, which answers without a body: callbacks/test_edge.py.
ELSEWHERE: Final = {"cannot_verify"}
NEW: Final = {"id": "north", "senders": ["+15005550007"]}
KEY: Final = {"Idempotency-Key": "k-1"}


@dataclass
class Asking:
    """What a request is made with, and what it may make use of."""

    api: TestClient
    upload: Callable[..., Any]
    key_of: Callable[[str], dict[str, str]]
    patch: pytest.MonkeyPatch

    def campaign(self, status: str = "ready", **columns: Any) -> str:
        """The address of a campaign in this state."""
        agent = factories.agent()
        report = {"accepted": 1} | columns.pop("report", {})
        return f"/api/campaigns/{factories.campaign(agent, status=status, report=report)}"

    def twice(self, path: str, **given: Any) -> Any:
        """The answer to the second of two equal requests."""
        self.api.post(path, **given)
        return self.api.post(path, **given)


def last_admin_key(asking: Asking) -> Any:
    (first,) = [k for k in asking.api.get("/api/keys").json()["data"] if k["role"] == "admin"]
    return asking.api.delete(f"/api/keys/{first['id']}")


def in_use(asking: Asking) -> Any:
    asking.upload()
    return asking.api.delete("/api/agents/sales")


def unreachable(asking: Asking) -> Any:
    asking.patch.setattr(settings(), "twilio_api_url", None)  # no stand-in: Twilio itself
    return asking.api.post(f"{asking.campaign()}/launch")


def reused(asking: Asking) -> Any:
    asking.api.post("/api/agents", json=NEW, headers=KEY)
    return asking.api.post("/api/agents", json=NEW | {"id": "south"}, headers=KEY)


def under_way(asking: Asking) -> Any:
    asking.api.post("/api/agents", json=NEW, headers=KEY)
    factories.change("UPDATE idempotent_answer SET status = NULL, body = NULL, created_at = now()")
    return asking.api.post("/api/agents", json=NEW, headers=KEY)


def bug(asking: Asking) -> Any:
    asking.patch.setattr("scheduler.agents.store.page", lambda **_: 1 // 0)
    return asking.api.get("/api/agents")


def away(asking: Asking) -> Any:
    gone = session.connect("postgresql://postgres@127.0.0.1:1/none")
    with asking.patch.context() as patch:
        patch.setattr(session, "engine", lambda: gone)
        return asking.api.get("/api/agents")


PROVOKED: Final[dict[tuple[int, str], Callable[[Asking], Any]]] = {
    (401, "unauthorized"): lambda a: a.api.get(
        "/api/agents", headers={"Authorization": "Bearer no"}
    ),
    (403, "forbidden"): lambda a: a.api.post("/api/agents", json=NEW, headers=a.key_of("viewer")),
    (404, "agent_not_found"): lambda a: a.api.get("/api/agents/nobody"),
    (404, "campaign_not_found"): lambda a: a.api.get("/api/campaigns/99"),
    (404, "key_not_found"): lambda a: a.api.delete("/api/keys/99"),
    (404, "message_not_found"): lambda a: a.api.get("/api/messages/99"),
    (404, "not_found"): lambda a: a.api.get("/api/no-such-thing"),
    (404, "not_suppressed"): lambda a: a.api.delete("/api/suppressions/+12025550123"),
    (405, "method_not_allowed"): lambda a: a.api.put("/api/agents"),
    (409, "agent_exists"): lambda a: a.twice("/api/agents", json=NEW),
    (409, "agent_in_use"): in_use,
    (409, "last_admin_key"): last_admin_key,
    (409, "cancelled"): lambda a: a.api.post(
        f"{a.campaign('cancelled')}/resolve-unknown", json={"as": "resend", "reason": "asked"}
    ),
    (409, "finished"): lambda a: a.api.post(f"{a.campaign('finished')}/cancel"),
    (409, "no_recipients"): lambda a: a.api.post(f"{a.campaign(report={'accepted': 0})}/launch"),
    (409, "not_retryable"): lambda a: a.api.post(f"{a.campaign('cancelled')}/retry-failed"),
    (409, "public_url_loopback"): unreachable,
    (409, "still_importing"): lambda a: a.api.post(f"{a.campaign('draft')}/launch"),
    (409, "wrong_status"): lambda a: a.api.post(f"{a.campaign('ready')}/pause"),
    (409, "idempotency_key_reused"): reused,
    (409, "in_progress"): under_way,
    (413, "too_large"): lambda a: a.api.post("/api/agents", content=b" " * (2 << 20)),
    (415, "unsupported_media_type"): lambda a: a.api.post("/api/agents", data={"id": "x"}),
    (500, "internal_error"): bug,
    (503, "database_unavailable"): away,
}


@pytest.fixture
def asking(
    api: TestClient,
    upload: Callable[..., Any],
    key_of: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Asking:
    """An API with an agent, to be asked."""
    return Asking(api, upload, key_of, monkeypatch)


def test_every_code_that_has_a_status_of_its_own_is_asked_for() -> None:
    assert {code for _, code in PROVOKED} | ELSEWHERE == set(STATUS)


@pytest.mark.parametrize(("status", "code"), PROVOKED)
def test_a_refusal_is_answered_with_the_status_of_its_kind(
    asking: Asking, status: int, code: str
) -> None:
    told = PROVOKED[status, code](asking)

    error = told.json()["error"]
    assert (told.status_code, error["code"]) == (status, code), error
    assert error["message"].strip()
    assert "\n" not in error["message"]
    assert ("WWW-Authenticate" in told.headers) is (told.status_code == 401)
    passes = told.status_code == 503 or code == "in_progress"
    assert ("Retry-After" in told.headers) is passes


def test_what_a_body_names_and_is_not_there_cannot_be_taken(upload: Callable[..., Any]) -> None:
    told = upload(agent_id="nobody")

    assert (told.status_code, told.json()["error"]["code"]) == (422, "agent_not_found")


def test_a_code_that_has_no_status_of_its_own_cannot_be_taken() -> None:
    assert answer(Refused(uuid.uuid4().hex, "no")).status_code == 422


@pytest.mark.parametrize("code", ["no_carrier", "agent_not_found", "unauthorized", "anything"])
def test_a_wrong_setting_is_nobodys_fault_who_asks_whatever_its_code(code: str) -> None:
    told = answer(Misconfigured(code, "Set VOLLEY_X."), in_address=False)

    assert told.status_code == 503
    assert int(told.headers["Retry-After"]) == RETRY_AFTER[503]


def test_without_an_account_an_agent_is_refused_as_unavailable_and_told_which_setting(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("twilio_account_sid", "twilio_auth_token", "twilio_api_url"):
        monkeypatch.setattr(settings(), name, None)

    told = api.post("/api/agents", json=NEW)

    assert (told.status_code, told.json()["error"]["code"]) == (503, "no_carrier")
    assert "VOLLEY_TWILIO_ACCOUNT_SID" in told.json()["error"]["message"]
