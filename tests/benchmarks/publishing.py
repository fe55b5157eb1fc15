"""Due work onto the queue: hints and releases, against one `delay()` for each recipient.

Ours is crash-safe (the hint is committed before the release goes out, and a lost one comes back);
the baseline's task exists in Redis only.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from scheduler.dispatch.releases import releases
from shared.db.session import retried
from shared.ledger import due
from shared.queue.app import app
from shared.queue.publish import publish
from tests.benchmarks.row import Row, faster
from tests.benchmarks.world import world
from tests.support import factories
from tests.support.factories import rows

AGENTS, EACH_TICK = 200, 5
STALE = timedelta(seconds=30)


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Messages per second; a tick of ours takes 5 of each of 200 agents."""
    ticks = 3 if quick else 10
    with world():
        agents = [factories.agent(f"agent-{n}", senders=1) for n in range(AGENTS)]
        campaign = factories.campaign(*agents)
        for agent in agents:
            factories.messages(campaign, agent, (1 + rounds * ticks) * EACH_TICK)
        factories.change("ANALYZE message")
        # Small first, as a process begins: Postgres keeps plans that it made for a few rows.
        _tick(campaign, agents[:1])
        _tick(campaign, agents[1:])
        pairs = [(_ours(campaign, agents, ticks), _delay(ticks * 200)) for _ in range(rounds)]
        (left,) = rows("SELECT count(*) FROM message WHERE due_at <= now()")
        assert left[0] == 0, "a message was due and was not hinted"
    note = f"{AGENTS * EACH_TICK:,} messages a tick, {AGENTS} lanes"
    return [faster("publishing due work", pairs, unit="messages/s", target=50, note=note)]


def _ours(campaign: int, agents: Sequence[int], ticks: int) -> float:
    began = time.perf_counter()
    hinted = sum(_tick(campaign, agents) for _ in range(ticks))
    passed = time.perf_counter() - began
    assert hinted == ticks * AGENTS * EACH_TICK
    return hinted / passed


def _tick(campaign: int, agents: Sequence[int]) -> int:
    wants = [(campaign, agent, EACH_TICK) for agent in agents]
    hints = retried(partial(due.hint, wants=wants, stale=STALE))
    slots = {(campaign, agent): [0.2 * i for i in range(EACH_TICK)] for agent in agents}
    made = list(releases(hints, slots))
    assert publish(made) == len(made)
    return sum(len(job.release) for job in made)


def _delay(count: int) -> float:
    task = app.signature("textbook.send", app=app)
    task.apply_async(args=(0,), queue="textbook")
    began = time.perf_counter()
    for message_id in range(count):
        task.apply_async(args=(message_id,), queue="textbook")
    return count / (time.perf_counter() - began)
