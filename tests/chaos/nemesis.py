"""What goes wrong, on purpose: processes that die, freeze or leave, servers that forget."""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis import Redis

from tests.chaos.harness import Bench

_FULL = """
    CREATE OR REPLACE FUNCTION chaos_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$
"""
#: A disk that is full fails whatever writes; these three are what every path writes to.
_TABLES = ("message", "attempt", "callback")
_CUT = """
    SELECT pg_terminate_backend(pid) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE application_name = 'volley' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2
    ) AS unlucky
"""


@dataclass
class Tally:
    """How often a fault struck."""

    times: int = 0


@contextlib.contextmanager
def every(seconds: float, fault: Callable[[], object]) -> Iterator[Tally]:
    """Let the fault strike every so many seconds while the block runs.

    A fault that returns False did not strike (nobody was there to be hit).
    """
    tally, over = Tally(), threading.Event()
    failures: list[BaseException] = []

    def strike() -> None:
        while not over.wait(seconds):
            try:
                tally.times += fault() is not False
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=strike, name="nemesis", daemon=True)
    thread.start()
    try:
        yield tally
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]


def kill_a_sender(bench: Bench, *, number: signal.Signals = signal.SIGKILL) -> Callable[[], bool]:
    """A random sending worker gets this signal."""
    return lambda: _hit(bench.senders(), number)


def kill(bench: Bench, name: str, *, number: signal.Signals = signal.SIGKILL) -> Callable[[], bool]:
    """A random process of that name gets this signal."""
    return lambda: _hit(bench.pids(name), number)


def freeze(pids: Callable[[], list[int]], *, seconds: float) -> Callable[[], bool]:
    """A random one of them stands still for so long (SIGSTOP, SIGCONT), as in a paused machine."""

    def fault() -> bool:
        chosen = pids()
        if not chosen:
            return False
        with frozen(random.choice(chosen)):
            threading.Event().wait(seconds)
        return True

    return fault


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """This process stands still while the block runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def wipe_broker(bench: Bench) -> Callable[[], bool]:
    """Valkey forgets everything: queues, slots, holds."""

    def fault() -> bool:
        with Redis.from_url(bench.stack.redis_url, socket_timeout=10) as redis:
            redis.flushall()
        return True

    return fault


@contextlib.contextmanager
def full_broker(bench: Bench) -> Iterator[None]:
    """Valkey refuses every write that needs memory, as with `noeviction` at its limit."""
    with Redis.from_url(bench.stack.redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            redis.config_set("maxmemory", 0)


def cut_connections(bench: Bench) -> Callable[[], bool]:
    """Postgres ends two of the programs' connections."""
    return lambda: bool(bench.rows(_CUT))


@contextlib.contextmanager
def full_disk(bench: Bench) -> Iterator[None]:
    """Every write to the ledger fails as on a full disk (SQLSTATE 53100)."""
    # A transaction for each table: one that held several would deadlock with the ledger's own.
    _run(bench, _FULL)
    for table in _TABLES:
        _run(
            bench,
            f"CREATE TRIGGER chaos_full BEFORE INSERT OR UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION chaos_full()",
        )
    try:
        yield
    finally:
        for table in _TABLES:
            _run(bench, f"DROP TRIGGER chaos_full ON {table}")


def _run(bench: Bench, statement: str) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _hit(pids: list[int], number: signal.Signals) -> bool:
    if not pids:
        return False
    try:
        os.kill(random.choice(pids), number)
    except ProcessLookupError:
        return False
    return True
