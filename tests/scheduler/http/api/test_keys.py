"""Who gets in, with what, and what for."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from shared.db.session import transaction
from shared.settings import settings

Headers = Callable[[str], dict[str, str]]


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("Authorization", "Bearer {}"),
        ("Authorization", "bearer  {}"),
        ("Authorization", "{}"),
        ("X-Vgai-Key", "{}"),
        ("X-API-Key", "{}"),
    ],
)
def test_a_key_opens_in_every_way_our_users_clients_send_it(
    api: TestClient, header: str, form: str
) -> None:
    key = settings().first_api_key()
    del api.headers["Authorization"]

    answer = api.get("/api/sending", headers={header: form.format(key)})

    assert answer.status_code == 200


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz"])
def test_without_a_key_nothing_says_whether_it_exists(api: TestClient, value: str | None) -> None:
    del api.headers["Authorization"]
    headers = {"Authorization": value} if value is not None else {}

    there = api.get("/api/agents", headers=headers)
    nowhere = api.get("/api/no-such-thing", headers=headers)

    assert there.status_code == nowhere.status_code == 401
    assert there.json()["error"]["code"] == "unauthorized"
    assert there.headers["WWW-Authenticate"] == "Bearer"


def test_a_viewer_reads_an_operator_acts_and_only_an_admin_holds_keys(
    api: TestClient, key_of: Headers
) -> None:
    viewer, operator = key_of("viewer"), key_of("operator")

    def status(method: str, path: str, headers: dict[str, str]) -> int:
        return api.request(method, path, headers=headers).status_code

    assert status("GET", "/api/sending", viewer) == 200
    assert status("POST", "/api/sending/stop", viewer) == 403
    assert status("POST", "/api/sending/stop", operator) == 200
    assert status("GET", "/api/keys", operator) == 403
    assert status("GET", "/api/audit", operator) == 403


def test_only_an_admin_stores_a_providers_credentials(api: TestClient, key_of: Headers) -> None:
    account = {"account_sid": "AC" + "1" * 32, "auth_token": "secret"}
    new = {"id": "own", "senders": ["+15005550006"], "provider_settings": account}

    refused = api.post("/api/agents", json=new, headers=key_of("operator"))
    made = api.post("/api/agents", json=new)

    assert refused.status_code == 403
    assert made.status_code == 201


def test_a_key_is_shown_once_and_its_plain_text_is_kept_nowhere(api: TestClient) -> None:
    made = api.post("/api/keys", json={"name": "booking", "role": "viewer"})
    key = made.json()["key"]

    listed = api.get("/api/keys").text
    with transaction() as connection:
        stored = connection.execute(text("SELECT string_agg(api_key::text, '') FROM api_key"))

    assert made.status_code == 201
    assert len(key) > 40
    assert key not in listed
    assert key not in stored.scalar_one()


def test_a_revoked_key_opens_nothing_any_more(api: TestClient, key_of: Headers) -> None:
    headers = key_of("admin")
    key_id = api.get("/api/keys").json()["data"][-1]["id"]

    answer = api.delete(f"/api/keys/{key_id}")

    assert answer.status_code == 204
    assert api.get("/api/sending", headers=headers).status_code == 401


def test_the_last_admin_key_cannot_be_revoked(api: TestClient) -> None:
    (first,) = api.get("/api/keys").json()["data"]

    answer = api.delete(f"/api/keys/{first['id']}")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "last_admin_key"


def test_the_first_key_once_revoked_does_not_come_back_with_a_restart(
    api: TestClient, key_of: Headers
) -> None:
    from scheduler.access import keys

    other = key_of("admin")
    first = api.get("/api/keys").json()["data"][0]["id"]
    assert api.delete(f"/api/keys/{first}", headers=other).status_code == 204

    keys.keep_first_key()

    assert keys.caller_of(settings().first_api_key()) is None


def test_the_audit_tells_who_did_what(api: TestClient, key_of: Headers) -> None:
    api.post("/api/sending/stop", headers=key_of("operator"))

    entries = api.get("/api/audit?subject=sending").json()["data"]

    assert [entry["action"] for entry in entries] == ["stop"]
    assert entries[0]["actor"].endswith("a operator")


@pytest.mark.parametrize("full", [False, True])
def test_a_wrong_key_leaves_no_trace_on_the_disk_and_a_full_one_does_not_change_the_answer(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    directory = settings().data_dir
    if full:  # nothing can be written, and the key's own file is gone
        (directory / "api_key").unlink()

    def touched(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        for call in ("open", "link", "unlink", "rename", "mkdir"):
            disk.setattr(f"shared.settings.os.{call}", touched)
        answer = api.get("/api/agents", headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401
