"""A message of several parts: what it shows, and which part goes next."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.message import RANK, WORST_FIRST, AttemptStatus, MessageStatus, may_become
from shared.domain.parts import state_of_message

WENT = {"accepted", "sent", "delivered"}
ENDS = ["delivered", "undelivered", "failed"]


@pytest.mark.parametrize(
    ("status", "part", "latest", "shown", "following"),
    [
        # the next part goes when the one before was accepted, and not sooner
        ("sending", 0, {0: "sending"}, "sending", 0),
        ("sending", 0, {0: "accepted"}, "ready", 1),
        ("unknown", 0, {0: "accepted"}, "ready", 1),
        ("ready", 0, {0: "delivered"}, "ready", 1),
        # an ambiguous part holds the later ones
        ("unknown", 1, {0: "accepted", 1: "unknown"}, "unknown", 1),
        ("unknown", 1, {0: "delivered", 1: "unknown"}, "unknown", 1),
        ("sending", 1, {0: "delivered", 1: "sending"}, "sending", 1),
        # a part that was given back waits where it was
        ("ready", 1, {0: "delivered", 1: "returned"}, "ready", 1),
        # what stopped the message stays when an early part reports
        ("cancelled", 1, {0: "delivered"}, "cancelled", 1),
        ("expired", 1, {0: "sent"}, "expired", 1),
        ("suppressed", 1, {0: "accepted"}, "suppressed", 1),
        # a part that did not arrive stops the rest, and is worse than a cancel
        ("ready", 1, {0: "undelivered"}, "undelivered", 1),
        ("ready", 1, {0: "failed"}, "failed", 1),
        ("cancelled", 1, {0: "undelivered"}, "undelivered", 1),
        ("unknown", 1, {0: "undelivered", 1: "unknown"}, "undelivered", 1),
        # but a call that is under way is waited for
        ("sending", 1, {0: "undelivered", 1: "sending"}, "sending", 1),
        # all have gone: the least advanced of the open ones
        ("sending", 2, {0: "delivered", 1: "sent", 2: "accepted"}, "accepted", 3),
        ("accepted", 3, {0: "delivered", 1: "sent", 2: "sent"}, "sent", 3),
        # a last part that ended at once has no part behind it
        ("sending", 2, {0: "sent", 1: "delivered", 2: "delivered"}, "sent", 3),
        # and in the end the worst
        ("sent", 3, {0: "delivered", 1: "delivered", 2: "delivered"}, "delivered", 3),
        ("sent", 3, {0: "delivered", 1: "undelivered", 2: "delivered"}, "undelivered", 3),
        ("accepted", 3, {0: "undelivered", 1: "failed", 2: "delivered"}, "failed", 3),
    ],
)  # fmt: skip
def test_where_a_message_of_three_parts_stands(
    status: str, part: int, latest: dict[int, str], shown: str, following: int
) -> None:
    assert state_of_message(status, part=part, parts=3, latest=latest) == (shown, following)


def test_a_failed_part_waits_for_the_call_under_way_and_then_the_worst_is_shown() -> None:
    during = state_of_message("sending", part=1, parts=2, latest={0: "undelivered", 1: "sending"})
    after = state_of_message("sending", part=1, parts=2, latest={0: "undelivered", 1: "accepted"})
    end = state_of_message("accepted", part=2, parts=2, latest={0: "undelivered", 1: "delivered"})

    assert [during.status, after.status, end.status] == ["sending", "accepted", "undelivered"]


@st.composite
def histories(
    draw: Callable[..., Any],
) -> tuple[int, list[Any]] | tuple[int, list[tuple[int, AttemptStatus]]]:
    """A message of several parts and rising evidence about its attempts, in any order."""
    parts = draw(st.integers(1, 4))
    raising = st.tuples(st.integers(0, parts - 1), st.sampled_from(sorted(RANK, key=RANK.get)))  # type: ignore[arg-type]
    return parts, draw(st.lists(raising, max_size=20))


@given(histories())
def test_a_message_only_moves_by_the_table_and_its_part_never_goes_back(
    history: tuple[int, list[Any]] | tuple[int, list[tuple[int, AttemptStatus]]],
) -> None:
    parts, raised = history
    status, part, latest = "sending", 0, {0: "sending"}

    for index, known in raised:
        if index in latest and RANK[known] > RANK[latest[index]]:
            latest[index] = known
        before = status, part
        status, part = state_of_message(status, part=part, parts=parts, latest=latest)
        assert status == before[0] or may_become(before[0], status)
        assert part >= before[1]
        if status == "ready" and part < parts:  # the worker claims what comes next
            status, latest[part] = "sending", "sending"


@given(histories())
def test_settling_twice_changes_nothing(
    history: tuple[int, list[Any]] | tuple[int, list[tuple[int, AttemptStatus]]],
) -> None:
    parts, raised = history
    latest = {0: "sending"} | dict(raised)

    once = state_of_message("sending", part=0, parts=parts, latest=latest)

    assert state_of_message(once.status, part=once.part, parts=parts, latest=latest) == once


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=5))
def test_the_end_is_the_worst_of_the_parts_ends(ends: list[str]) -> None:
    settled = state_of_message(
        "sent", part=len(ends), parts=len(ends), latest=dict(enumerate(ends))
    )

    assert settled.status == min(map(MessageStatus, ends), key=WORST_FIRST.index)


@given(st.integers(2, 5), st.integers(0, 4), st.sampled_from(sorted(AttemptStatus)))
def test_no_part_is_passed_over_that_was_not_accepted(
    parts: int, reached: int, last: AttemptStatus
) -> None:
    latest = dict.fromkeys(range(min(reached, parts - 1)), "accepted")
    part = len(latest)
    latest[part] = last

    settled = state_of_message("sending", part=part, parts=parts, latest=latest)

    assert settled.part == part + (last in WENT)
    assert (settled.status == "ready") == (last in WENT and settled.part < parts)
