"""Redis's clock as a process knows it."""

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from shared.throttle import Throttle
from shared.throttle.redis_clock import MOST_DOUBT, RedisClock, measure
from tests.support.embedded import Servers

#: Answers in real milliseconds: another test beside them makes them late.
pytestmark = pytest.mark.alone


class Teller:
    """A clock `ahead` seconds before ours, whose answers take these seconds one after the other."""

    def __init__(self, ahead: float, answers_in: Iterator[float]) -> None:
        self._ahead = ahead
        self._answers_in = answers_in

    def now(self) -> float:
        latency = next(self._answers_in)
        time.sleep(latency / 2)
        told = time.monotonic() + self._ahead
        time.sleep(latency / 2)
        return told


def repeated(seconds: float) -> Iterator[float]:
    while True:
        yield seconds


def test_the_clock_is_known_to_within_its_doubt() -> None:
    clock = measure(Teller(1000.0, repeated(0.002)))

    assert clock.now() - time.monotonic() == pytest.approx(1000.0, abs=clock.doubt + 0.001)


def test_the_quickest_answer_is_believed() -> None:
    slow_but_for_one = iter([0.04, 0.04, 0.0, 0.04, 0.04, 0.04, 0.04])

    clock = measure(Teller(5.0, slow_but_for_one))

    assert clock.good
    assert clock.offset == pytest.approx(5.0, abs=MOST_DOUBT)


def test_a_store_that_answers_slowly_leaves_too_much_doubt_to_start_anything() -> None:
    clock = measure(Teller(5.0, repeated(4 * MOST_DOUBT)))

    assert not clock.good


def test_a_clock_that_was_never_measured_is_not_good() -> None:
    assert not RedisClock(offset=0.0, doubt=float("inf")).good


def test_a_step_of_the_machines_own_time_moves_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = measure(Teller(0.0, repeated(0.0)))
    before = clock.now()

    monkeypatch.setattr(time, "time", lambda: 0.0)
    after = clock.now()

    assert 0 <= after - before < 1


def test_the_real_store_tells_a_good_time(servers: Servers) -> None:
    with Redis.from_url(servers.redis_url, decode_responses=True) as redis:
        throttle = Throttle(redis)

        clock = measure(throttle)

        assert clock.now() == pytest.approx(throttle.now(), abs=0.05)
        assert clock.good
