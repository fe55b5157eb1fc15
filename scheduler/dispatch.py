"""Release due messages to the queue, no deeper than each agent can send in the next instants.

A shallow queue is what makes pause immediate: there is little to take back. One tick is a constant
number of round trips, however many agents: one reservation of slots, one statement of hints, one
batch of releases.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from shared import metrics
from shared.db.queries import lanes
from shared.db.queries.lanes import Hint, LaneRow
from shared.db.session import retried, transaction
from shared.errors import Refused
from shared.logging import get_logger
from shared.queue.jobs import ComposeOpeners, SendMessages
from shared.queue.publish import publish
from shared.settings import settings
from shared.throttle import Granted, Throttle, Want
from shared.throttle.clock import RedisClock, measure

log = get_logger(__name__)

#: Seconds between two ticks.
TICK = 0.05
#: A slot is at least this far ahead: a release must reach its worker and be claimed before.
LEAD = 0.10
#: And at most this far: what was written late can only be given back to slots not yet handed out.
AHEAD = LEAD + 3 * TICK
#: How often lanes are read again, so how soon a launch, a pause or a new rate is seen here.
REFRESH = 0.25
#: How often Redis's clock is measured against ours.
CLOCK_EVERY = 60.0
#: Messages in one release, at the most and, when there are few, about so many for each worker.
RELEASE = 100
#: Openers composed ahead in one go, and how long a composer may hold them.
COMPOSE_EVERY = 0.25
COMPOSE_MOST = 500
COMPOSE_CHUNK = 100
COMPOSE_LEASE = timedelta(seconds=30)


class Dispatcher:
    """The pacer. `tick` once every TICK seconds; several of them on several machines do no harm."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._lanes: dict[int, deque[LaneRow]] = {}
        self._next: dict[int, float] = {}
        self._clock = RedisClock(offset=0.0, doubt=float("inf"))
        self._measured = self._refreshed = self._composed = -CLOCK_EVERY

    def tick(self) -> int:
        """Hint and release what is due; returns how many messages."""
        now = time.monotonic()
        if now - self._measured >= CLOCK_EVERY:
            self._clock = measure(self._throttle)
            self._measured = now
        if now - self._refreshed >= REFRESH:
            self._refreshed = now
            self._refresh()
        if now - self._composed >= COMPOSE_EVERY:
            self._composed = now
            _release_openers()
        granted = self._reserve(now)
        if not granted:
            return 0
        shares = self._shares(granted)
        stale = timedelta(seconds=settings().release_stale_after)
        wants = [(campaign, agent, len(slots)) for (campaign, agent), slots in shares.items()]
        hints = retried(lambda connection: lanes.hint(connection, wants, stale=stale))
        publish(_releases(hints, shares))
        metrics.released.inc(len(hints))
        return len(hints)

    def _refresh(self) -> None:
        with transaction() as connection:
            found = lanes.with_work(connection)
        by_agent: dict[int, list[LaneRow]] = defaultdict(list)
        for lane in found:
            by_agent[lane.agent_key].append(lane)
        self._lanes = {agent: self._in_turn(agent, rows) for agent, rows in by_agent.items()}

    def _in_turn(self, agent: int, found: list[LaneRow]) -> deque[LaneRow]:
        """The agent's lanes of the highest priority that has work, those that waited first."""
        first = min(lane.priority for lane in found)
        turns = {lane.campaign_id: i for i, lane in enumerate(self._lanes.get(agent, ()))}
        chosen = [lane for lane in found if lane.priority == first]
        return deque(sorted(chosen, key=lambda lane: turns.get(lane.campaign_id, -1)))

    def _reserve(self, now: float) -> list[Granted]:
        """Slots for every agent whose next one comes within reach."""
        wants = []
        for agent, turns in self._lanes.items():
            if self._next.get(agent, 0.0) < now + AHEAD:
                lane = turns[0]
                most = int(AHEAD * lane.rate) + 1
                wants.append(Want(str(agent), lane.account, lane.rate, most))
        if not wants:
            return []
        granted = self._throttle.reserve_many(wants, lead=LEAD, ahead=AHEAD)
        for grant in granted:
            slot = grant.first + grant.count * grant.period
            self._next[int(grant.agent)] = slot - self._clock.offset
        return [grant for grant in granted if grant.count]

    def _shares(self, granted: Iterable[Granted]) -> dict[tuple[int, int], list[float]]:
        """Each agent's slots dealt to its lanes in turn: a small campaign beside a huge one gets
        every second slot."""
        shares: dict[tuple[int, int], list[float]] = defaultdict(list)
        for grant in granted:
            turns = self._lanes[int(grant.agent)]
            for slot in grant.slots():
                lane = turns[0]
                turns.rotate(-1)
                shares[lane.campaign_id, lane.agent_key].append(slot)
        return shares


def _releases(
    hints: Iterable[Hint], shares: dict[tuple[int, int], list[float]]
) -> Iterator[SendMessages]:
    """The hinted messages with their slots, in releases, nearest slots first."""
    slots = {lane: iter(sorted(instants)) for lane, instants in shares.items()}
    entries = sorted(
        (next(slots[hint.campaign_id, hint.agent_key]), hint.message_id, hint.due) for hint in hints
    )
    size = min(RELEASE, max(1, -(-len(entries) // 4)))
    for start in range(0, len(entries), size):
        yield SendMessages(
            release=tuple(
                (message_id, slot, due) for slot, message_id, due in entries[start : start + size]
            )
        )


def _release_openers() -> None:
    """Lease planned messages to the composers, ahead of any slot."""
    ids = retried(
        lambda connection: lanes.uncomposed(
            connection, per_campaign=COMPOSE_MOST, lease=COMPOSE_LEASE
        )
    )
    publish(
        ComposeOpeners(message_ids=tuple(ids[start : start + COMPOSE_CHUNK]))
        for start in range(0, len(ids), COMPOSE_CHUNK)
    )


def run(dispatcher: Dispatcher, stopping: Callable[[], bool]) -> None:
    """Tick until told to stop. No error ends the loop: without Redis or Postgres nothing starts."""
    next_tick = time.monotonic()
    while not stopping():
        began = time.monotonic()
        try:
            dispatcher.tick()
        except (RedisError, DBAPIError, Refused) as error:
            metrics.loop_failures.labels("dispatch").inc()
            log.warning("dispatch.failed", error=type(error).__name__)
            time.sleep(0.5)
        except Exception as error:
            metrics.loop_failures.labels("dispatch").inc()
            log.exception("dispatch.bug", error=type(error).__name__)
            time.sleep(0.5)
        metrics.dispatch_tick.observe(time.monotonic() - began)
        next_tick = max(next_tick + TICK, time.monotonic() - TICK)
        time.sleep(max(0.0, next_tick - time.monotonic()))
