"""A file that ends one child after the other ends nobody else: the API's process answers on."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.local.system import ports
from scheduler import tasks
from scheduler.campaigns import create
from shared.queue.jobs import ImportUpload
from shared.settings import settings
from tests.scheduler.import_process.conftest import Hogs
from tests.support import factories
from tests.support.eventually import eventually
from tests.support.ledger import Waits
from tests.support.workbooks import packed, row, xlsx_parts

pytestmark = pytest.mark.stack

ROWS = 23
SETTINGS = {"name": "spring", "agent_id": "sales", "message": "Hi {name}", "window": "always"}


class Client(requests.Session):
    """Asks an API that serves at this port, with the first key."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.base = f"http://127.0.0.1:{port}"
        self.headers["Authorization"] = f"Bearer {settings().first_api_key()}"

    def request(self, method: str, url: str, **given: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, self.base + url, timeout=60, **given)


@contextmanager
def serving(module: str) -> Iterator[tuple[Client, Any]]:
    """A real API process over real HTTP: who asks it, and the process."""
    port = ports.any_free(taken=set())
    env = os.environ | {"VOLLEY_HTTP_PORT": str(port)}
    with (
        Client(port) as client,
        subprocess.Popen([sys.executable, "-m", module], env=env) as process,
    ):
        try:
            _until_up(client, process)
            yield client, process
        finally:
            process.terminate()


def _until_up(client: Client, process: Any) -> None:
    def up() -> bool:
        assert process.poll() is None
        return client.get("/healthz") is not None

    eventually(up, "the API to answer", seconds=60, despite=(requests.ConnectionError,))


def workbook(*, lines: int = 0) -> bytes:
    """A good one with a header and ROWS rows, whose bytes hold `lines` line ends."""
    guests = [row(2 + i, f"guest {i}", f"+1202555{i:04d}") for i in range(ROWS)]
    file = io.BytesIO(packed(xlsx_parts(row(1, "name", "phone") + "".join(guests))))
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"\n" * lines
    return file.getvalue()


def uploaded(client: Client, content: bytes) -> requests.Response:
    file = {"file": ("guests.xlsx", content)}
    return client.post("/api/campaigns", files=file, data={"settings": json.dumps(SETTINGS)})


def answers_while(
    work: Callable[..., Any], client: Client
) -> tuple[requests.Response | None, list[int]]:
    """What `work` returns, and /healthz's answers meanwhile, each on a connection of its own."""
    working = Waits(work)
    answers = []
    while working._thread.is_alive():
        answers.append(requests.get(f"{client.base}/healthz", timeout=60).status_code)
    return working.join(), answers


@pytest.fixture
def flags(hogs: Hogs, tmp_path: Path) -> list[str]:
    """Children die at four chunks, one after the other, and at the last twice: a file for each."""
    due = [[at, str(tmp_path / f"{n}")] for n, at in enumerate((7, 12, 17, 22, 22))]
    for _, flag in due:
        Path(flag).touch()  # type: ignore[arg-type]
    hogs(what="crash", once=due)
    return [flag for _, flag in due]  # type: ignore[misc]


def add_agent(client: Client) -> None:
    agent = {"id": "sales", "senders": ["+15005550006"], "sessions_per_second": 5}
    assert client.post("/api/agents", json=agent).status_code == 201  # type: ignore[arg-type]


def test_the_process_whose_children_a_workbook_kills_answers_all_the_while(
    flags: list[str],
) -> None:
    with serving("tests.support.hog_api") as (client, api):
        add_agent(client)

        answer, healthy = answers_while(lambda: uploaded(client, workbook()), client)
        again = uploaded(client, workbook())
        assert api.poll() is None

    assert (len(healthy) > 5, set(healthy)) == (True, {200})
    assert not any(map(os.path.exists, flags)), "too few children died"
    error = answer.json()["error"]  # type: ignore[union-attr]
    assert (answer.status_code, error["code"]) == (422, "file_too_costly")  # type: ignore[union-attr]
    assert "The file made its reader crash, twice, behind row 21" in error["message"]
    assert (again.status_code, again.json()["status"]) == (201, "ready")


def test_a_campaign_whose_workbook_kills_its_children_again_and_again_ends_with_the_reason(
    flags: list[str],
) -> None:
    with serving("scheduler.http") as (client, _):
        add_agent(client)
        made = uploaded(client, workbook(lines=create.INLINE_LINES + 1)).json()
        job = ImportUpload(campaign_id=made["id"])
        assert made["status"] == "draft"

        _, healthy = answers_while(lambda: tasks._import(job), client)
        told = client.get(f"/api/campaigns/{made['id']}").json()

    assert (len(healthy) > 5, set(healthy)) == (True, {200})
    assert not any(map(os.path.exists, flags)), "too few children died"
    assert told["status"] == "cancelled"
    assert "The file made its reader crash, twice, behind row 21" in told["reason"]
    assert factories.one("SELECT count(*) AS n FROM upload_chunk").n == 0
