"""Bad lines to Postgres, Redis and the carrier (rows 10 and 24)."""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import URL, make_url

from deploy.local.readiness import answers
from deploy.local.servers.postgres import SOCKET_PORT
from deploy.local.system import ports
from tests.chaos.harness import Bench, bench
from tests.chaos.invariants import broken, too_fast
from tests.chaos.proxy import Line, Proxy, proxied
from tests.support.embedded import running_postgres, running_valkey
from tests.support.eventually import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]

#: One after the other on each line, each for a moment.
TROUBLES = (
    Line(latency=0.5),
    Line(resets=0.05),
    Line(mute_up=True),
    Line(mute_down=True),
)
MOMENT = 1.5


@dataclass(frozen=True)
class Wired:
    """A stack and its three lines."""

    bench: Bench
    lines: Mapping[str, Proxy]


@pytest.fixture(scope="module")
def wired() -> Iterator[Wired]:
    with contextlib.ExitStack() as running:
        database = make_url(running.enter_context(running_postgres()))
        store = make_url(running.enter_context(running_valkey()))
        carrier = ports.any_free()
        account = "AC" + secrets.token_hex(16)
        running.enter_context(_carrier(carrier, account))
        lines = {
            "postgres": running.enter_context(proxied(_server(database))),
            "redis": running.enter_context(proxied(_server(store))),
            "carrier": running.enter_context(proxied(carrier)),
        }
        env = {
            "VOLLEY_DATABASE_URL": _through(database, lines["postgres"]),
            "VOLLEY_REDIS_URL": _through(store, lines["redis"]),
            "VOLLEY_SECRET_KEY": "a key for tests",
            "VOLLEY_TWILIO_API_URL": f"http://127.0.0.1:{lines['carrier'].port}",
            "VOLLEY_TWILIO_ACCOUNT_SID": account,
            "VOLLEY_TWILIO_AUTH_TOKEN": "a token for tests",
            "VOLLEY_ALLOW_PRIVATE_URLS": "1",
        }
        direct = {
            "database_url": database.render_as_string(hide_password=False),
            "redis_url": store.render_as_string(hide_password=False),
            "carrier_url": f"http://127.0.0.1:{carrier}",
        }
        made = running.enter_context(bench(workers=2, env=env, seen_as=direct))
        yield Wired(made, lines)


def test_bad_lines_to_everything_lose_nobody_and_text_nobody_twice(wired: Wired) -> None:
    stack = wired.bench
    stack.begin()
    campaign = stack.upload(600, stack.add_agents(16, rate=2))
    stack.launch(campaign)
    stack.until_went(0.05)
    for proxy in wired.lines.values():
        for trouble in TROUBLES:
            proxy.line = trouble
            threading.Event().wait(MOMENT)
            proxy.mend()
            threading.Event().wait(MOMENT / 3)
    while_bad = stack.counts()
    stack.converge()
    truth = stack.truth()

    assert while_bad["ready"] > 0
    assert all(proxy.hung_up for proxy in wired.lines.values())
    # What a line held back arrives in a clump: that is not the agent's pace.
    assert not broken(truth, but=[too_fast])
    assert truth.statuses == {"delivered": 600}


def test_commits_whose_answer_is_lost_lose_nobody_and_text_nobody_twice(wired: Wired) -> None:
    stack = wired.bench
    stack.begin()
    campaign = stack.upload(300, stack.add_agents(16))
    stack.launch(campaign)
    line = wired.lines["postgres"]
    before = line.hung_up
    line.line = Line(lost_commits=0.1)
    stack.until_went(0.7)
    line.mend()
    stack.converge()
    truth = stack.truth()

    assert line.hung_up - before > 5
    assert not broken(truth)
    assert truth.statuses == {"delivered": 300}


@contextlib.contextmanager
def _carrier(port: int, account: str) -> Iterator[None]:
    words = (f"--port={port}", f"--account-sid={account}")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.simulators.twilio", *words],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"VOLLEY_CARRIER_AUTH_TOKEN": "a token for tests"},
    )
    try:

        def up() -> bool:
            assert process.poll() is None
            return answers(f"http://127.0.0.1:{port}", "/stats")

        eventually(up, "the carrier to answer", seconds=60, every=0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _server(url: URL) -> int | str:
    """Where the server of this URL listens: a port, or the socket that Postgres makes."""
    directory = url.query.get("host")
    return f"{directory}/.s.PGSQL.{SOCKET_PORT}" if directory else url.port or 0


def _through(url: URL, proxy: Proxy) -> str:
    there = url.set(host="127.0.0.1", port=proxy.port).difference_update_query(["host"])
    return there.render_as_string(hide_password=False)
