"""Flower beside the stack: closed to whoever lacks the password, and heard on loopback only."""

import base64
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.data_dirs.data_dir import places
from deploy.local.readiness import answers
from deploy.local.servers.flower import PASSWORD_FILE, USER, flower
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import ports
from deploy.local.system.child_process import spawn, stop
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.fixture(scope="module")
def running(data_dir: Path) -> Iterator[tuple[int, int]]:
    """Flower over a Valkey of its own: its port and its pid."""
    valkey = EmbeddedValkey(data_dir)
    valkey.start()
    port = ports.any_free()
    child = flower(places(data_dir), port=port, env={"VOLLEY_REDIS_URL": valkey.url})
    process = spawn(child, data_dir / "logs/flower.log")
    try:

        def up() -> bool:
            assert process.poll() is None, (data_dir / "logs/flower.log").read_text()
            return answers(f"http://{ports.LOOPBACK}:{port}", "/healthcheck")

        eventually(up, "Flower to answer", seconds=60, every=0.1)
        yield port, process.pid
    finally:
        stop(process, child)
        valkey.stop()


def test_flower_shows_nothing_without_the_password(running: tuple[int, int]) -> None:
    port, _ = running

    assert status(port, "/") == 401
    assert status(port, "/api/workers") == 401
    assert status(port, "/", password="wrong") == 401


def test_flower_opens_with_the_password_in_the_file(
    running: tuple[int, int], data_dir: Path
) -> None:
    port, _ = running
    path = data_dir / PASSWORD_FILE

    assert status(port, "/tasks", password=path.read_text().strip()) == 200
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_flower_listens_on_loopback_only_and_hides_its_password(
    running: tuple[int, int], data_dir: Path
) -> None:
    port, pid = running

    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]

    assert listening == [f"0100007F:{port:04X}"]
    assert (data_dir / PASSWORD_FILE).read_text().strip() not in Path(
        f"/proc/{pid}/cmdline"
    ).read_text()


def status(port: int, path: str, *, password: str | None = None) -> int:
    headers = {}
    if password is not None:
        word = base64.b64encode(f"{USER}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {word}"
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
