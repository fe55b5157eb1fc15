"""From the upload to `delivered` in Postgres, against the textbook, on the same two cores.

The same simulator, embedded Postgres and Valkey for both. Ours has so many agents that CPU is the
limit. CPU counts every process but the simulator and this one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from deploy.local.system import ports
from tests.benchmarks import people
from tests.benchmarks.processes import cpu_of_tree
from tests.benchmarks.row import Row, cheaper, faster
from tests.benchmarks.stacks import MESSAGE, Stage, dial, difference, stage
from tests.benchmarks.world import plain, world
from tests.support.embedded import temporary_directory
from tests.support.eventually import eventually

AGENTS, SENDERS = 1000, 1000
ACCOUNT, TOKEN = "AC" + "1" * 32, "a token for benchmarks"
DIALS = {"scripted_numbers": False, "concurrency_limit": None}
#: Of our last run, for the page on scale: CPU µs of each message by process, and its footprint.
parts: dict[str, float] = {}
footprint: dict[str, float] = {}


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Messages per second, and CPU for each."""
    count, single = (4_000, 400) if quick else (30_000, 3_000)
    rates, costs = [], []
    for _ in range(1 if quick else min(rounds, 3)):
        rate, cost = ours(count)
        their_rate, their_cost = textbook(single)
        rates.append((rate, their_rate))
        costs.append((cost, their_cost))
    note = f"{count:,} messages against {single:,}; two callbacks each"
    where = ", ".join(f"{name} {cost:.0f}" for name, cost in _sorted(parts)[:7])
    return [
        faster("end to end", rates, unit="messages/s", target=15, note=note),
        cheaper("end to end, CPU", costs, unit="µs/message", target=15, note=where),
    ]


def _sorted(costs: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(costs.items(), key=lambda item: -item[1])


def ours(count: int) -> tuple[float, float]:
    """Messages per second, and microseconds of CPU each."""
    with stage(workers=2) as stack:
        names = stack.agents(1, AGENTS)
        stack.dial(DIALS)
        phones = [people.phone(i) for i in range(count)]
        left = _footprint(stack)
        before, began = stack.cpu(), time.monotonic()
        campaign = stack.upload("end to end", phones, names)
        stack.launch(campaign)
        query = "SELECT count(*) FROM message WHERE delivered_at IS NOT NULL"
        eventually(
            lambda: stack.one(query) == count, "all to be delivered", seconds=300, every=0.25
        )
        passed = time.monotonic() - began
        spent = difference(before, stack.cpu())
        marks = difference(left, _footprint(stack))
        log = stack.api.carrier_log()
        assert len(log) == count, "the carrier saw another number of calls"
        assert {entry["to"] for entry in log} == set(phones), "somebody was never called"
    parts.update({name: cpu / count * 1e6 for name, cpu in spent.items()})
    footprint.update({name: mark / count for name, mark in marks.items()})
    return count / passed, sum(parts.values())


def _footprint(stack: Stage) -> dict[str, float]:
    """What Postgres wrote and keeps, in bytes, its commits, and the commands Redis was given."""
    with Redis.from_url(stack.stack.redis_url) as redis:
        commands = float(redis.info("stats")["total_commands_processed"])
    return {
        "wal_bytes": float(stack.one("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")),
        "disk_bytes": float(stack.one("SELECT pg_database_size(current_database())")),
        "commits": float(
            stack.one("SELECT xact_commit FROM pg_stat_database WHERE datname=current_database()")
        ),
        "redis_commands": commands,
    }


def textbook(count: int) -> tuple[float, float]:
    """The same for the baseline: two workers of sixteen threads, one API process."""
    with world() as servers, plain(servers) as bare, ExitStack() as running:
        carrier = running.enter_context(_carrier())
        port = ports.any_free(taken=set())
        given = {
            "TEXTBOOK_DATABASE_URL": _plain_url(servers.database_url),
            "TEXTBOOK_REDIS_URL": servers.redis_url,
            "TEXTBOOK_CARRIER_URL": carrier.url,
            "TEXTBOOK_ACCOUNT": ACCOUNT,
            "TEXTBOOK_TOKEN": TOKEN,
            "TEXTBOOK_PORT": str(port),
            "TEXTBOOK_PUBLIC_URL": f"http://127.0.0.1:{port}",
        }
        _schema(bare)
        for command in (_worker(1), _worker(2), ["tests.benchmarks.textbook.edge"]):
            running.enter_context(_program(command, given))
        eventually(
            lambda: _at_rest(carrier.pid), "the textbook to have started", seconds=300, every=0.1
        )
        before, began = _cpu(carrier.pid), time.monotonic()
        _import(count, given)
        _until_delivered(bare, count)
        passed = time.monotonic() - began
        spent = sum(difference(before, _cpu(carrier.pid)).values())
    return count / passed, spent / count * 1e6


def _schema(bare: "psycopg.Connection[Any]") -> None:
    from tests.benchmarks.textbook.tasks import SCHEMA  # it reads its settings when imported

    bare.execute(SCHEMA)


def _import(count: int, given: Mapping[str, str]) -> None:
    """Hand the file to the baseline's own import task."""
    content = "name,phone\n" + "".join(f"Ana,{people.phone(i)}\n" for i in range(count))
    with temporary_directory() as kept:
        file = Path(kept, "people.csv")
        file.write_text(content)
        program = (
            "import sys; from pathlib import Path; "
            "from tests.benchmarks.textbook.tasks import import_file; "
            f"senders = [f'+1500{{n:07d}}' for n in range({SENDERS})]; "
            f"import_file.delay(Path(sys.argv[1]).read_text(), {MESSAGE!r}, senders)"
        )
        command = [sys.executable, "-c", program, str(file)]
        subprocess.run(command, env=dict(os.environ) | dict(given), check=True)


def _until_delivered(bare: "psycopg.Connection[Any]", count: int) -> None:
    query = "SELECT count(*) FROM textbook_message WHERE status = 'delivered'"
    eventually(
        lambda: bare.execute(query).fetchone() == (count,), "the textbook", seconds=300, every=0.25
    )
    sids = "SELECT count(DISTINCT sid) FROM textbook_message"
    assert bare.execute(sids).fetchone() == (count,)


def _at_rest(carrier: int) -> bool:
    """Whether its processes have started: what they still import must not count against it."""
    before = _cpu(carrier)
    time.sleep(1)
    return sum(difference(before, _cpu(carrier)).values()) < 0.05


def _cpu(carrier: int) -> dict[str, float]:
    """Everything that descends from us, but the carrier and ourselves."""
    return cpu_of_tree(os.getpid(), without={carrier, os.getpid()})


def _worker(n: int) -> list[str]:
    return [
        *("celery", "-A", "tests.benchmarks.textbook.tasks", "worker", "-P", "threads"),
        *("-c", "16", "-n", f"textbook-{n}@%h", "-l", "ERROR", "--without-gossip"),
        *("--without-mingle", "--without-heartbeat"),
    ]


@contextmanager
def _program(words: Sequence[str], given: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", *words]
    quiet = {"env": dict(os.environ) | dict(given), "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **quiet) as process:  # type: ignore[call-overload]
        try:
            yield
        finally:
            process.kill()


class _Carrier:
    """The simulator as a process of its own."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.url = url


@contextmanager
def _carrier() -> Iterator[_Carrier]:
    command = [
        *(sys.executable, "-m", "deploy.simulators.twilio", "--port", "0"),
        *("--account-sid", ACCOUNT),
    ]
    given = os.environ | {"VOLLEY_CARRIER_AUTH_TOKEN": TOKEN}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=given) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split("url=")[1].split()[0]
            dial(url, DIALS)
            yield _Carrier(process.pid, url)
        finally:
            process.terminate()


def _plain_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
