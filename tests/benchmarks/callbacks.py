"""Callbacks taken in: verified, kept durably, answered; against one `delay()` for each.

The server has one core, whoever posts has the others; Postgres and Valkey go where they like. Ours
is the API as it runs, every callback committed in Postgres before its 204.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from deploy.local.system import ports
from tests.benchmarks.edge_load import ACCOUNT
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.row import Row, faster, within
from tests.benchmarks.world import world
from tests.support.embedded import Servers
from tests.support.eventually import eventually
from tests.support.factories import rows

TOKEN = "a token for benchmarks"
CONNECTIONS = 256
MOST_MS = 30.0


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Callbacks per second, and how long the slowest hundredth waits at half of that."""
    count, single = (10_000, 1_500) if quick else (40_000, 5_000)
    pairs, waits, costs, kept = [], [], [], 0
    with world(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN) as servers:
        for _ in range(rounds):
            with ours() as (pid, port):
                load(port, 1, connections=1)  # it has read the accounts' tokens
                before = cpu_seconds(pid)
                fastest, *_ = load(port, count)
                costs.append((cpu_seconds(pid) - before) / count * 1e6)
                *_, p99 = load(port, int(fastest / 2 * 3), pace=fastest / 2)
                kept += 1 + count + int(fastest / 2 * 3)
            with _textbook(servers) as (_, port):
                load(port, 1, connections=1)
                theirs, *_ = load(port, single)
            pairs.append((fastest, theirs))
            waits.append((p99, MOST_MS))
        assert rows("SELECT count(*) FROM callback")[0][0] == kept, "an answered callback is lost"
    cost = sorted(costs)[len(costs) // 2]
    note = f"{CONNECTIONS} connections; {cost:.0f} µs of the server's CPU each"
    return [
        faster("callbacks taken in", pairs, unit="callbacks/s", target=10, note=note),
        within("callbacks, p99 at half of that", waits, unit="ms", most=1, note="limit 30 ms"),
    ]


def load(
    port: int, count: int, *, connections: int = CONNECTIONS, pace: float = 0.0
) -> tuple[float, float, float]:
    """Callbacks per second, p50 and p99 in ms. All must be answered 204."""
    command = [
        *(sys.executable, "-m", "tests.benchmarks.edge_load", str(port), TOKEN),
        *(str(count), str(connections), str(pace)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pin(process.pid, last=False)
    output, _ = process.communicate()
    rate, p50, p99, answers = json.loads(output)
    assert answers == {"204": count}, answers
    return rate, p50, p99


@contextmanager
def ours() -> Iterator[tuple[int, int]]:
    """The API as it runs: its pid and port."""
    port = ports.any_free(taken=set())
    given = {"VOLLEY_HTTP_PORT": str(port), "VOLLEY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    with _server("scheduler.http", port, given) as pid:
        yield pid, port


@contextmanager
def _textbook(servers: Servers) -> Iterator[tuple[int, int]]:
    port = ports.any_free(taken=set())
    given = {
        "TEXTBOOK_PORT": str(port),
        "TEXTBOOK_REDIS_URL": servers.redis_url,
        "TEXTBOOK_TOKEN": TOKEN,
        "TEXTBOOK_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    with _server("tests.benchmarks.textbook.edge", port, given) as pid:
        yield pid, port


@contextmanager
def _server(module: str, port: int, given: dict[str, str]) -> Iterator[int]:
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, env=dict(os.environ) | given) as process:
        try:
            pin(process.pid, last=True)
            _until_up(port)
            yield process.pid
        finally:
            process.terminate()


def _until_up(port: int) -> None:
    def up() -> bool:
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except HTTPError:
            return True  # it answers: that is all we ask
        return True

    eventually(up, "the server to answer", seconds=30, every=0.05, despite=(URLError,))


def pin(pid: int, *, last: bool) -> None:
    """Give a process the last core, or all the others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[-1]} if last else set(cores[:-1]))
