"""A campaign that the provider keeps refusing is paused, and says so with its real numbers."""

from types import SimpleNamespace

import pytest
from redis import ConnectionError as StoreIsAway

from scheduler.access import audit
from shared.throttle.redis_client import redis
from tests.support import factories
from tests.support.factories import rows
from tests.support.told import Told
from worker.send import circuit_breaker
from worker.send.circuit_breaker import LEAST, CircuitBreaker


@pytest.mark.usefixtures("database")
def test_the_reason_counts_the_calls_and_stands_in_the_campaigns_history() -> None:
    campaign = factories.campaign(factories.agent("ann", senders=1))

    CircuitBreaker(redis()).watch([(campaign, True)] * (LEAST + 1))

    (paused,) = rows("SELECT status, reason FROM campaign")
    (noted,) = audit.page(subject=f"campaign:{campaign}", limit=10)
    assert paused.status == "paused"
    assert paused.reason.startswith("the provider refused 101 of the last 101 calls")
    assert not paused.reason.endswith(".")
    assert (noted.actor, noted.action) == ("volley", "pause")
    assert noted.details == {"reason": paused.reason}


@pytest.mark.usefixtures("database")
def test_too_few_calls_prove_nothing() -> None:
    campaign = factories.campaign(factories.agent("ann", senders=1))

    CircuitBreaker(redis()).watch([(campaign, True)] * (LEAST - 1))

    assert [row.status for row in rows("SELECT status FROM campaign")] == ["running"]


def test_a_store_that_is_away_for_many_calls_is_told_of_when_it_goes_and_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, circuit_breaker)
    watching = CircuitBreaker(SimpleNamespace())

    def away(*_: object) -> None:
        raise StoreIsAway

    with monkeypatch.context() as patch:
        patch.setattr(watching, "_lately", away)
        for _ in range(3):
            watching.watch([(1, True)])
    monkeypatch.setattr(watching, "_lately", lambda _: {})
    for _ in range(2):
        watching.watch([(1, True)])

    assert told.events == ["refusals.not_counted", "refusals.counted_again"]
    assert told.failures("refusals.counted_again") == 3
