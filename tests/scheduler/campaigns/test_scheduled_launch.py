"""A campaign that starts by the clock starts as one that a person launches, or says why not."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from scheduler.access import audit
from scheduler.campaigns.lifecycle import launch_scheduled
from shared import clock
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support import factories
from tests.support.environment import environment

HOUR: Final = timedelta(hours=1)
REAL: Final[Mapping[str, Any]] = {
    "twilio_account_sid": "AC" + "1" * 32,
    "twilio_auth_token": "secret",
    "twilio_api_url": "",
}

pytestmark = pytest.mark.usefixtures("database")


def scheduled(**columns: Any) -> int:
    given = {"scheduled_at": clock.now() - HOUR, "report": {"accepted": 1}} | columns
    return factories.campaign(factories.agent(), status="scheduled", **given)  # type: ignore[arg-type]


def found(campaign_id: int) -> Any:
    return factories.one("SELECT * FROM campaign WHERE id = :id", id=campaign_id)


def test_scheduled_campaigns_start_when_their_time_has_come() -> None:
    due, later = scheduled(), scheduled(scheduled_at=clock.now() + HOUR)

    assert (launch_scheduled(), launch_scheduled()) == (1, 0)
    assert (found(due).status, found(later).status) == ("running", "scheduled")
    assert found(due).started_at is not None


def test_a_start_by_the_clock_stands_in_the_audit_and_nudges() -> None:
    due, before = scheduled(), Tally(redis()).read()

    launch_scheduled()

    (noted,) = audit.page(subject=f"campaign:{due}")
    assert (noted.actor, noted.action) == ("volley", "launch")
    assert Tally(redis()).read() != before


def test_a_start_that_is_refused_waits_and_says_why_and_the_others_start() -> None:
    nobody, due = scheduled(report={"accepted": 0}), scheduled()

    assert launch_scheduled() == 1

    assert (found(due).status, found(nobody).status) == ("running", "scheduled")
    assert found(nobody).reason.startswith("No row of the file was accepted")
    assert audit.page(subject=f"campaign:{nobody}") == []


def test_a_start_that_was_refused_is_tried_again_by_the_slow_loop_only() -> None:
    due = scheduled()
    with environment(**REAL):
        assert launch_scheduled() == 0
        assert "VOLLEY_PUBLIC_URL" in found(due).reason
        assert launch_scheduled(refused=True) == 0

    mended = dict(REAL) | {"public_url": "https://volley.example.org"}
    with environment(**mended):
        assert launch_scheduled() == 0
        assert launch_scheduled(refused=True) == 1

    assert (found(due).status, found(due).reason) == ("running", None)
