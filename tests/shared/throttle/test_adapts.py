"""After a 429 the rate goes down at once and comes back slowly, for the scope it spoke of."""

import pytest
from redis import Redis

from shared.throttle import RECOVER, SLOWER, Throttle, Want, period


@pytest.fixture
def throttle(store: Redis) -> Throttle:
    """A throttle on an empty store."""
    return Throttle(store)


def between(throttle: Throttle, agent: str = "1", account: str = "twilio:AC1") -> float:
    """The seconds between two slots of an agent of 5 a second."""
    (granted,) = throttle.reserve_many([Want(agent, account, 5, 3)], lead=0, ahead=100)
    return granted.period


def test_an_agent_that_was_never_told_429_keeps_its_rate(throttle: Throttle) -> None:
    assert between(throttle) == pytest.approx(period(5), rel=1e-3)


def test_a_429_of_the_account_slows_all_its_agents_and_no_other(throttle: Throttle) -> None:
    throttle.slow("account:twilio:AC1")

    slowed, other = between(throttle, "1"), between(throttle, "2", "twilio:AC2")

    assert slowed == pytest.approx(period(5) / SLOWER, rel=0.02)
    assert other == pytest.approx(period(5), rel=1e-3)


def test_many_429s_at_once_are_one(throttle: Throttle) -> None:
    for _ in range(50):
        throttle.slow("agent:1")

    assert between(throttle) == pytest.approx(period(5) / SLOWER, rel=0.02)


def test_the_rate_comes_back_slowly(throttle: Throttle, store: Redis) -> None:
    now = throttle.now()
    store.hset("volley:throttle:pace", "agent:1", f"0.5000 {now - 10:.6f}")
    halfway = between(throttle)
    store.hset("volley:throttle:pace", "agent:1", f"0.5000 {now - 1000:.6f}")

    assert halfway == pytest.approx(period(5) / (0.5 + 10 * RECOVER), rel=0.02)
    assert between(throttle) == pytest.approx(period(5), rel=1e-3)
