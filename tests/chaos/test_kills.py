"""The promise under fire: senders that are killed again and again, a broker that forgets."""

import pytest

from tests.chaos.harness import bench
from tests.chaos.invariants import broken, grows
from tests.chaos.memory import watched
from tests.chaos.nemesis import every, kill_a_sender, wipe_broker

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]

ROWS = 3000


def test_killed_senders_and_a_wiped_broker_lose_nobody_and_text_nobody_twice() -> None:
    with bench(workers=3) as stack:
        stack.upload(ROWS, stack.add_agents(16, rate=5))
        stack.launch(*stack.campaigns)
        quiet = watched(stack, "scheduler", "api", "worker-tending")
        with quiet as memory, every(2, kill_a_sender(stack)) as kills:
            stack.until_went(0.4)
            wipe_broker(stack)()
            stack.until_went(0.75)
        stack.converge()
        truth = stack.truth()

    assert kills.times >= 5
    assert not broken(truth)
    # Those killed in mid-call were looked for; three quarters on, later messages bear witness.
    assert truth.statuses == {"delivered": ROWS}
    # The queue is shallow: all rows at once would be a kilobyte each.
    assert max(memory.broker) - memory.broker[0] < 300 * ROWS
    assert not grows(memory.resident, most=1.5, allowance=20_000_000)
