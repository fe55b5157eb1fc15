"""A scheduler's own view of its leases: it never believes longer than Postgres that it has them."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.exc import DBAPIError

from deploy.local.system import ports
from scheduler.dispatch import leases
from scheduler.dispatch.leases import LENGTH, Leases, own_name
from shared import metrics
from shared.db import session
from shared.ledger import shards as queries
from shared.ledger.shards import SHARDS
from tests.support import factories
from tests.support.eventually import eventually, ever

EVERYTHING = frozenset(range(SHARDS))


class Watch:
    """A monotonic clock that only goes on when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(leases, "time", made)
    return made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenths of seconds instead of seconds."""
    monkeypatch.setattr(leases, "LENGTH", 0.5)
    monkeypatch.setattr(leases, "REFRESH", 0.05)
    monkeypatch.setattr(leases, "HANGS", 0.2)


def database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = session.connect("postgresql://postgres@127.0.0.1:1/none")
    monkeypatch.setattr(session, "engine", lambda: gone)


def test_nothing_is_ours_before_we_have_asked(database: str) -> None:
    ours = Leases("ann")
    before = ours.mine

    ours.refresh()

    assert (before, ours.mine) == (frozenset(), EVERYTHING)


def test_a_lease_that_was_not_renewed_is_over_though_nobody_told_us(
    database: str, watch: Watch
) -> None:
    ours = Leases("ann")
    ours.refresh()

    watch.at += LENGTH - 0.001
    still = ours.mine
    watch.at += 0.001

    assert (still, ours.mine) == (EVERYTHING, frozenset())


def test_the_time_counts_from_before_the_question(
    database: str, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, take = Leases("ann"), queries.take

    def slowly(*given: Any, **more: Any) -> frozenset[int]:
        watch.at += LENGTH
        return take(*given, **more)

    monkeypatch.setattr(queries, "take", slowly)
    ours.refresh()

    assert ours.mine == frozenset()


def test_we_believe_no_longer_than_postgres_that_a_shard_is_ours(database: str) -> None:
    ours = Leases("ann")
    ours.refresh()

    left = ours._own.until - time.monotonic()
    (row,) = factories.rows(
        "SELECT extract(epoch FROM min(until) - clock_timestamp())::float AS left FROM lease"
    )

    # It was asked later, so it would have less left if both had begun at the same instant.
    assert left - 0.05 <= row.left + 0.05
    assert left <= LENGTH


def test_while_postgres_is_away_we_keep_what_we_have_until_its_time_is_over(
    database: str, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Leases("ann")
    ours.refresh()
    database_is_away(monkeypatch)

    with pytest.raises(DBAPIError):
        ours.refresh()
    meanwhile = ours.mine
    watch.at += LENGTH

    assert (meanwhile, ours.mine) == (EVERYTHING, frozenset())


def test_what_is_given_back_is_not_ours_even_if_nobody_heard_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Leases("ann")
    ours.refresh()
    database_is_away(monkeypatch)

    with pytest.raises(DBAPIError):
        ours.give_back()

    assert ours.mine == frozenset()


def test_a_process_has_a_name_that_no_other_ever_had() -> None:
    assert own_name() != own_name()


# -- beside the dispatch loop ----------------------------------------------------------------------


class Loop:
    """A dispatch loop that ticks while it is told to, and `keep` in a thread beside it."""

    def __init__(self, name: str = "ann") -> None:
        self.leases = Leases(name)
        self.stopping = threading.Event()
        self._keeper = threading.Thread(target=self.leases.keep, args=(self.stopping,))
        self._keeper.start()

    def ticks_until(self, holds: int, *, seconds: float = 10) -> bool:
        """Tick until it has so many shards; False if it never does."""
        return ever(lambda: len(self.leases.mine), becomes=holds, seconds=seconds)

    def stop(self) -> None:
        self.stopping.set()
        self._keeper.join(10)


@pytest.fixture
def loop(database: str, hurried: None) -> Iterator[Loop]:
    made = Loop()
    yield made
    made.stop()


def held() -> int:
    (row,) = factories.rows("SELECT count(*) AS n FROM lease WHERE until > now()")
    return row.n


def test_a_loop_that_ticks_keeps_its_agents(loop: Loop) -> None:
    began = loop.ticks_until(SHARDS)
    lost = loop.ticks_until(0, seconds=1.5)

    assert (began, lost) == (True, False)


def test_a_loop_that_never_ticks_does_not_keep_agents(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LENGTH", 3600)

    eventually(held, becomes=SHARDS)
    eventually(held, becomes=0)


def test_a_loop_that_hangs_gives_its_agents_to_others(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LENGTH", 3600)
    assert loop.ticks_until(SHARDS)

    eventually(held, becomes=0)
    assert loop.ticks_until(SHARDS)


def test_a_warm_stop_gives_the_agents_back_at_once(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LENGTH", 3600)
    assert loop.ticks_until(SHARDS)

    loop.stop()

    assert (held(), loop.leases.mine) == (0, frozenset())


@pytest.fixture
def ended() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def takes_all(database: str, monkeypatch: pytest.MonkeyPatch, *, after: str) -> bool:
    """Whether a scheduler that starts now gets all agents, though that one's lease still runs."""
    monkeypatch.setattr(leases, "LENGTH", 3600)
    Leases(after).refresh()
    successor = Loop()
    took = successor.ticks_until(SHARDS, seconds=1)
    successor.stop()
    return took


def test_a_successor_does_not_wait_for_the_end_of_its_killed_predecessors_lease(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch, ended: int
) -> None:
    assert takes_all(database, monkeypatch, after=f"{socket.gethostname()}:{ended}:0123abcd")


def test_a_predecessor_with_our_own_pid_is_dead(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert takes_all(database, monkeypatch, after=own_name())


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_who_lives_or_is_on_another_machine_is_not_taken_for_dead(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch, ended: int, host: str
) -> None:
    pid = ended if host == "elsewhere" else os.getppid()

    assert not takes_all(database, monkeypatch, after=f"{host}:{pid}:0123abcd")


def test_who_cannot_reach_redis_leaves_the_agents_to_others(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Redis(port=ports.any_free(), retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(leases, "redis", lambda: away)
    failures = metrics.loop_failures.labels("leases")
    before = failures._value.get()

    lonely = Loop()
    got = lonely.ticks_until(SHARDS, seconds=0.5)
    lonely.stop()

    assert not got
    assert failures._value.get() > before


def test_the_keeping_outlives_postgres(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop()
    assert loop.ticks_until(SHARDS)
    with monkeypatch.context() as patch:
        database_is_away(patch)
        assert loop.ticks_until(0)

    back = loop.ticks_until(SHARDS)
    loop.stop()

    assert back


@pytest.mark.parametrize("expires", [True, False])
def test_a_frozen_schedulers_agents_go_to_another_because_leases_expire(
    database: str, hurried: None, monkeypatch: pytest.MonkeyPatch, expires: bool
) -> None:
    """Without the expiry they would wait for ever: this is what it is for."""
    frozen, other = Leases("ann"), Leases("bob")
    if not expires:
        monkeypatch.setattr(leases, "LENGTH", 3600)
    frozen.refresh()

    def takes_over() -> bool:
        other.refresh()
        return other.mine == EVERYTHING

    assert ever(takes_over, seconds=5 if expires else 2) == expires
    assert (frozen.mine == frozenset()) == expires


def test_three_schedulers_share_and_two_go_on_when_one_dies(database: str, hurried: None) -> None:
    three = [Loop(f"scheduler {n}") for n in range(3)]

    def share(loops: list[Loop], total: int) -> bool:
        shares = [loop.leases.mine for loop in loops]
        even = max(map(len, shares)) - min(map(len, shares)) <= 1
        return even and sum(map(len, shares)) == len(frozenset().union(*shares)) == total

    shared = ever(lambda: share(three, SHARDS), seconds=10)
    three[0].stop()
    taken_over = ever(lambda: share(three[1:], SHARDS), seconds=10)
    for loop in three[1:]:
        loop.stop()

    assert (shared, taken_over) == (True, True)
