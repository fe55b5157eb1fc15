"""A campaign that the provider keeps refusing is paused, and says so with its real numbers."""

import pytest

from scheduler import audit
from shared.throttle.store import redis
from tests.support.lanes import add_agent, add_campaign, rows
from worker.refusals import LEAST, Refusals


@pytest.mark.usefixtures("database")
def test_the_reason_counts_the_calls_and_stands_in_the_campaigns_history() -> None:
    campaign = add_campaign(add_agent())

    Refusals(redis()).watch([(campaign, True)] * (LEAST + 1))

    (paused,) = rows("SELECT status, reason FROM campaign")
    (noted,) = audit.page(subject=f"campaign:{campaign}", limit=10)
    assert paused.status == "paused"
    assert paused.reason.startswith("the provider refused 101 of the last 101 calls")
    assert not paused.reason.endswith(".")
    assert (noted["actor"], noted["action"]) == ("volley", "pause")
    assert noted["details"] == {"reason": paused.reason}


@pytest.mark.usefixtures("database")
def test_too_few_calls_prove_nothing() -> None:
    campaign = add_campaign(add_agent())

    Refusals(redis()).watch([(campaign, True)] * (LEAST - 1))

    assert [row.status for row in rows("SELECT status FROM campaign")] == ["running"]
