"""One tick of the dispatcher with ten thousand agents that all have something due."""

import statistics
import time
from collections.abc import Sequence
from time import process_time

from sqlalchemy import event, text

from scheduler.dispatch.dispatcher import TICK, Dispatcher
from shared.db.session import engine, transaction
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.benchmarks.row import Row, within
from tests.benchmarks.world import world
from tests.support import factories

RATE = 1
MOST_US = 50.0
#: Seconds until it hands out what is wanted: the throttle's own wait, and feeling its way up.
RAMP = 8.0
_AGENTS = text("""
    WITH made AS (
        INSERT INTO agent (id, provider, rate, account, status)
        SELECT 'agent-' || n, 'twilio', :rate, 'twilio:AC1', 'active'
        FROM generate_series(1, CAST(:agents AS int)) n RETURNING key
    ) INSERT INTO lane (campaign_id, agent_key) SELECT :campaign, key FROM made
""")
_MESSAGES = text("""
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, due_at, body)
    SELECT row_number() OVER (), l.campaign_id, l.agent_key, row_number() OVER (), 'ready', now(),
           'hello'
    FROM lane l CROSS JOIN generate_series(1, CAST(:each AS int))
""")


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """The median tick against half its period, and CPU for each message released."""
    agents, seconds = (2_000, 4.0) if quick else (10_000, 15.0)
    ticks, costs, trips, shares = [], [], [], []
    for _ in range(1 if quick else min(rounds, 3)):
        took, released, cpu, statements = run(agents, seconds)
        ticks.append((statistics.median(took) * 1000, TICK / 2 * 1000))
        costs.append((cpu / released * 1e6, MOST_US))
        trips.append(statements / len(took))
        shares.append(released / (agents * RATE * seconds))
    slowest = sorted(took)[int(len(took) * 0.99)] * 1000
    note = (
        f"p99 {slowest:.0f} ms; {max(trips):.1f} SQL statements a tick; "
        f"{statistics.median(shares):.3f} of the allowed rate released"
    )
    name = f"dispatch tick, {agents:,} agents × {RATE}/s"
    return [
        within(name, ticks, unit="ms", most=1, note=note),
        within(f"{name}: CPU", costs, unit="µs/message", most=1, note="the dispatcher's own"),
    ]


def run(agents: int, seconds: float) -> tuple[list[float], int, float, int]:
    """Seconds of each tick, messages released, CPU seconds, SQL statements."""
    with world():
        campaign = factories.campaign()
        with transaction() as connection:
            values = {"agents": agents, "rate": RATE, "campaign": campaign}
            connection.execute(_AGENTS, values)
            connection.execute(_MESSAGES, {"each": int((RAMP + seconds) * RATE) + 2})
        with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        dispatcher = Dispatcher(Throttle(redis()), Tally(redis()))
        _ticks(dispatcher, RAMP)
        counter = _Statements()
        before = process_time()
        took, released = _ticks(dispatcher, seconds)
        return took, released, process_time() - before, counter.stop()


def _ticks(dispatcher: Dispatcher, seconds: float) -> tuple[list[float], int]:
    """Tick as the scheduler does."""
    took, released = [], 0
    end = next_tick = time.monotonic()
    end += seconds
    while (began := time.monotonic()) < end:
        released += dispatcher.tick()
        took.append(time.monotonic() - began)
        next_tick = max(next_tick + TICK, time.monotonic() - TICK)
        time.sleep(max(0.0, next_tick - time.monotonic()))
    return took, released


class _Statements:
    """Counts SQL statements until stopped."""

    def __init__(self) -> None:
        self._count = 0
        event.listen(engine(), "before_cursor_execute", self._one)

    def _one(self, *_: object) -> None:
        self._count += 1

    def stop(self) -> int:
        """Stop counting; how many there were."""
        event.remove(engine(), "before_cursor_execute", self._one)
        return self._count
