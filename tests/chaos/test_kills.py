"""The promise under fire: senders that are killed again and again, a broker that forgets."""

import pytest

from tests.chaos.harness import bench
from tests.chaos.invariants import broken
from tests.chaos.nemesis import every, kill_a_sender, wipe_broker

pytestmark = [pytest.mark.chaos, pytest.mark.stack]

ROWS = 3000


def test_killed_senders_and_a_wiped_broker_lose_nobody_and_text_nobody_twice() -> None:
    with bench(workers=3) as stack:
        stack.upload(ROWS, stack.add_agents(16, rate=5))
        stack.launch(*stack.campaigns)
        with every(2, kill_a_sender(stack)) as kills:
            stack.until_went(0.4)
            wipe_broker(stack)()
            stack.until_went(0.75)
        stack.converge()
        truth = stack.truth()

    assert kills.times >= 5
    assert not broken(truth)
    # Those killed in mid-call were looked for; three quarters on, later messages bear witness.
    assert truth.statuses == {"delivered": ROWS}
