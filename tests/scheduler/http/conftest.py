"""An API on a database of its own, and the few things most of its tests begin with."""

import json
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from scheduler.http.app import create_app
from shared.settings import settings

Upload = Callable[..., Any]


@pytest.fixture
def api(database: str) -> Iterator[TestClient]:
    """The API, asked with the first key."""
    with TestClient(_with_tracebacks(create_app()), raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {settings().first_api_key()}"
        yield client


def _with_tracebacks(app: ASGIApp) -> ASGIApp:
    """The app, whose bugs are printed as the server prints them: a 500 alone says nothing."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            traceback.print_exc()
            raise

    return asked


@pytest.fixture
def agent(api: TestClient) -> str:
    """The id of an agent that may speak."""
    new = {"id": "sales", "senders": ["+15005550006"], "sessions_per_second": 5}
    assert api.post("/api/agents", json=new).status_code == 201
    return "sales"


@pytest.fixture
def upload(api: TestClient, agent: str) -> Upload:
    """Uploads rows (a CSV text) as a campaign; keywords are settings beside the usual ones."""

    def send(
        rows: str = "phone,name\n+12025550101,Ana\n", *, headers: Any = None, **more: Any
    ) -> Any:
        chosen = {"name": "spring", "agent_id": agent, "message": "Hi {name}", "window": "always"}
        return api.post(
            "/api/campaigns",
            files={"file": ("guests.csv", rows.encode(), "text/csv")},
            data={"settings": json.dumps(chosen | more)},
            headers=headers,
        )

    return send


@pytest.fixture
def key_of(api: TestClient) -> Callable[[str], dict[str, str]]:
    """Headers with a new key of a role."""

    def headers(role: str) -> dict[str, str]:
        made = api.post("/api/keys", json={"name": f"a {role}", "role": role}).json()
        return {"Authorization": f"Bearer {made['key']}"}

    return headers


@pytest.fixture
def connected() -> Iterator[Callable[..., Any]]:
    """Connects to an address; what a test connected is closed at its end."""
    made = []

    def connect(address: tuple[str, int]) -> Any:
        made.append(socket.create_connection(address, timeout=20))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()
