"""How a sending process backs off: briefly after one 429, longer while they come in a row."""

import asyncio
import time
from typing import Any

import pytest
from redis import ConnectionError as StoreIsAway

from tests.support.told import Told as Logged
from worker.send import pace as pace_module
from worker.send.pace import Pace


class Told:
    """A throttle that remembers what it was told."""

    def __init__(self) -> None:
        self.holds: list[float] = []
        self.slowed = 0
        self.counted: list[tuple[int, int]] = []

    def no_start_before(self, _scope: str, until: float) -> None:
        self.holds.append(until)

    def slow(self, _scope: str) -> None:
        self.slowed += 1

    def add(self, *, met: int, missed: int) -> None:
        self.counted.append((met, missed))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def pace(told: Any, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A pace whose waits are over at once: time is moved by hand."""
    made = Pace(told, told)
    moment = [1000.0]
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: moment[0])  # type: ignore[attr-defined]
    made.clock = type("Clock", (), {"now": staticmethod(lambda: moment[0])})()
    made.advance = lambda seconds: moment.__setitem__(0, moment[0] + seconds)  # type: ignore[attr-defined]
    return made


def waits(told: Told, pace: Any, *, times: int, seconds: float | None = None) -> list[float]:
    """How long each of so many 429s in a row makes the scope wait."""
    found = []
    for _ in range(times):
        before = time.monotonic()
        asyncio.run(pace.back_off("account:a", seconds))
        found.append(round(told.holds[-1] - before, 3))
        pace.advance(found[-1] + 0.001)
    return found


def test_a_single_429_costs_a_moment_and_no_rate(pace: Any, told: Told) -> None:
    assert waits(told, pace, times=1) == [0.1]
    assert told.slowed == 0


def test_429s_in_a_row_double_the_wait_up_to_a_limit_and_slow_the_rate(
    pace: Any, told: Told
) -> None:
    assert waits(told, pace, times=9) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0]
    assert told.slowed == 8


def test_an_accepted_call_ends_the_row(pace: Any, told: Told) -> None:
    waits(told, pace, times=3)
    pace.went(["account:a"])

    assert waits(told, pace, times=1) == [0.1]


def test_what_the_provider_tells_is_what_the_scope_waits(pace: Any, told: Told) -> None:
    assert waits(told, pace, times=1, seconds=5.0) == [5.0]


def test_429s_of_calls_that_were_under_way_together_are_one(pace: Any, told: Told) -> None:
    async def together() -> None:
        for _ in range(20):
            await pace.back_off("account:a", None)

    asyncio.run(together())

    assert len(told.holds) == 1


def test_slots_that_were_met_are_told_now_and_then_and_once(pace: Any, told: Told) -> None:
    pace.clock = type("Clock", (), {"now": staticmethod(lambda: 50.0)})()
    for _ in range(3):
        pace.wrote(agent_key=1, slot=50.0)
    assert pace.must_report

    asyncio.run(pace.report())
    pace.wrote(agent_key=1, slot=50.0)
    owed_at_once = pace.must_report
    pace.advance(1)

    assert told.counted == [(3, 0)]
    assert not owed_at_once and pace.must_report


def test_a_store_that_is_away_for_many_tellings_is_told_of_when_it_goes_and_is_back(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Logged(monkeypatch, pace_module)
    store: Any = told
    pace = Pace(store, store)

    def away(**_: object) -> None:
        raise StoreIsAway

    with monkeypatch.context() as patch:
        patch.setattr(told, "add", away)
        for _ in range(4):
            asyncio.run(pace.report())
    for _ in range(2):
        asyncio.run(pace.report())

    assert logged.events == ["throttle.not_told", "throttle.told_again"]
    assert logged.failures("throttle.told_again") == 4
