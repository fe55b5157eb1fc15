"""A campaign's status is written by one function, and only as the table of its life allows."""

import itertools
from typing import Any

import pytest

from shared.db.session import retried, transaction
from shared.domain.campaign import CampaignStatus, may_become
from shared.ledger import campaigns
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support import factories

C = CampaignStatus
PAIRS = list(itertools.product(CampaignStatus, CampaignStatus))
ALLOWED = [pair for pair in PAIRS if may_become(*pair)]

pytestmark = pytest.mark.usefixtures("database")


def moved(old: C, new: C, **more: Any) -> int:
    """A campaign that was moved from `old` to `new`; its id."""
    made = factories.campaign(factories.agent(), status=old)
    with transaction() as connection:
        campaigns.move(connection, made, new, action="test", actor="ann", **more)
    return made


def test_every_move_of_the_table_is_written_and_noted_with_its_reason() -> None:
    for old, new in ALLOWED:
        made = moved(old, new, reason="because")

        found = factories.one("SELECT * FROM campaign WHERE id = :id", id=made)
        noted = factories.one("SELECT * FROM audit WHERE subject = :of", of=f"campaign:{made}")
        assert (found.status, found.reason) == (new, "because")
        assert (found.finished_at is not None) == (new in (C.FINISHED, C.CANCELLED))
        assert (noted.actor, noted.action, noted.details) == ("ann", "test", {"reason": "because"})


def test_every_other_move_is_refused_and_writes_nothing() -> None:
    for old, new in PAIRS:
        if (old, new) not in ALLOWED:
            with pytest.raises(campaigns.ForbiddenMove, match=f"is {old} and cannot become {new}"):
                moved(old, new)

    assert factories.rows("SELECT * FROM audit") == []
    assert factories.rows("SELECT * FROM campaign WHERE reason IS NOT NULL") == []


def test_the_gate_is_shut_only_where_sending_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shut: list[Any] = []
    monkeypatch.setattr(campaigns, "shut_gate", shut.append)
    ends = {(C.RUNNING, C.PAUSED), (C.RUNNING, C.CANCELLED), (C.PAUSED, C.CANCELLED)}

    for old, new in ALLOWED:
        before = len(shut)
        moved(old, new)
        assert (len(shut) > before) == ((old, new) in ends), (old, new)


def test_dispatchers_are_nudged_after_the_commit_and_only_where_sending_begins() -> None:
    for old, new in ALLOWED:
        before = Tally(redis()).read()
        moved(old, new)
        assert (Tally(redis()).read() != before) == (new == C.RUNNING), (old, new)


def test_nobody_is_nudged_before_the_commit_nor_for_a_move_that_was_undone() -> None:
    made, before = factories.campaign(factories.agent(), status="ready"), Tally(redis()).read()

    with pytest.raises(ZeroDivisionError), transaction() as connection:
        campaigns.move(connection, made, C.RUNNING, action="test")
        assert Tally(redis()).read() == before
        raise ZeroDivisionError
    retried(campaigns.quiet)  # on the same connection: what it was to tell is forgotten

    assert Tally(redis()).read() == before
