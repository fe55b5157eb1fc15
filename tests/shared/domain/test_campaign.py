"""The table of a campaign's life."""

from itertools import pairwise

import pytest

from shared.domain.campaign import NEXT, CampaignStatus, Priority, may_become

C = CampaignStatus


def test_every_status_has_a_row() -> None:
    assert set(NEXT) == set(CampaignStatus)


@pytest.mark.parametrize("old", [C.DRAFT, C.READY, C.SCHEDULED, C.RUNNING, C.PAUSED])
def test_a_campaign_can_be_cancelled_until_it_has_finished(old: CampaignStatus) -> None:
    assert may_become(old, C.CANCELLED)
    assert not may_become(C.FINISHED, C.CANCELLED)


def test_a_campaign_goes_its_way_in_order() -> None:
    way = [C.DRAFT, C.READY, C.SCHEDULED, C.RUNNING, C.PAUSED, C.RUNNING, C.FINISHED, C.RUNNING]

    assert all(may_become(old, new) for old, new in pairwise(way))
    assert may_become(C.READY, C.RUNNING)


def test_nothing_starts_before_its_file_is_imported() -> None:
    assert not may_become(C.DRAFT, C.RUNNING)
    assert not may_become(C.DRAFT, C.SCHEDULED)


def test_a_cancelled_campaign_stays_cancelled() -> None:
    assert NEXT[C.CANCELLED] == frozenset()


def test_replies_go_before_single_sends_before_reminders_before_bulk() -> None:
    assert sorted(Priority) == [
        Priority.REPLY, Priority.SINGLE, Priority.REMINDER, Priority.BULK,
    ]  # fmt: skip
