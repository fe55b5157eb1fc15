"""Workers that die at exact points between the claim and the record (row 4)."""

import pytest

from tests.chaos.entry import POINTS
from tests.chaos.harness import bench
from tests.chaos.invariants import broken
from tests.chaos.workers import dying, sending

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]


ROWS = 200


def test_wherever_a_worker_dies_nobody_is_lost_and_nobody_texted_twice() -> None:
    with bench(workers=0) as stack:
        stack.upload(ROWS, stack.add_agents(16))
        stack.launch(*stack.campaigns)
        with dying(stack.stack, POINTS, after=12) as deaths:
            stack.until_went(0.3)
            stack.wait(lambda: all(deaths[point] for point in POINTS), "a death at each point")
        with sending(stack.stack, 2):
            stack.converge()
        truth = stack.truth()
    unlucky = [message for message in truth.messages if message["status"] == "failed"]

    assert deaths.keys() == POINTS.keys()
    assert not broken(truth)
    assert truth.statuses["delivered"] + len(unlucky) == ROWS
    # Nobody tries a fourth time what was proved not gone three times; `lost` saw that it is so.
    assert all(message["attempts"] == 3 for message in unlucky)
    assert len(unlucky) < ROWS / 10
