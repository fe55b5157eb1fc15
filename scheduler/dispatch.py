"""Release due messages to the queue, no deeper than each agent can send in the next instants.

A shallow queue is what makes pause immediate: there is little to take back. One tick is a constant
number of round trips, however many agents: one reservation of slots, one statement of hints, one
batch of releases.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial

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

#: (campaign, agent's key)
Lane = tuple[int, int]


class Dispatcher:
    """The pacer. `tick` once every TICK seconds; several of them on several machines do no harm."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._lanes: dict[int, list[LaneRow]] = defaultdict(list)
        self._served: dict[Lane, int] = {}
        self._turn = 0
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
        hints, shares = self._hint(self._reserve(now))
        publish(_releases(hints, shares))
        metrics.released.inc(len(hints))
        return len(hints)

    def _refresh(self) -> None:
        with transaction() as connection:
            found = lanes.with_work(connection)
        self._lanes = defaultdict(list)
        for lane in found:
            self._lanes[lane.agent_key].append(lane)
        if len(self._served) > 4 * len(found) + 1000:
            # Turns outlive a lane's moments without work, or it would come first each time.
            known = {(lane.campaign_id, lane.agent_key) for lane in found}
            self._served = {lane: turn for lane, turn in self._served.items() if lane in known}

    def _reserve(self, now: float) -> list[Granted]:
        """Slots for every agent whose next one comes within reach."""
        wants = []
        for agent, rows in self._lanes.items():
            if rows and self._next.get(agent, 0.0) < now + AHEAD:
                lane = rows[0]
                most = int(AHEAD * lane.rate) + 1
                wants.append(Want(str(agent), lane.account, lane.rate, most))
        if not wants:
            return []
        granted = self._throttle.reserve_many(wants, lead=LEAD, ahead=AHEAD)
        for grant in granted:
            slot = grant.first + grant.count * grant.period
            self._next[int(grant.agent)] = slot - self._clock.offset
        return [grant for grant in granted if grant.count]

    def _hint(self, granted: list[Granted]) -> tuple[list[Hint], dict[Lane, list[float]]]:
        """Hint what is due, and the slots of each lane; what one lane cannot use, another may."""
        hints: list[Hint] = []
        used: dict[Lane, list[float]] = defaultdict(list)
        slots = {int(grant.agent): grant.slots() for grant in granted}
        stale = timedelta(seconds=settings().release_stale_after)
        while shares := self._shares(slots):
            wants = [(*lane, len(instants)) for lane, instants in shares.items()]
            found = retried(partial(lanes.hint, wants=wants, stale=stale))
            hints += found
            count = Counter((hint.campaign_id, hint.agent_key) for hint in found)
            slots = {}
            for lane, instants in shares.items():
                used[lane] += instants[: count[lane]]
                if count[lane] < len(instants):
                    slots.setdefault(lane[1], []).extend(instants[count[lane] :])
                    self._set_aside(lane)
        return hints, used

    def _shares(self, slots: Mapping[int, list[float]]) -> dict[Lane, list[float]]:
        """Each agent's slots dealt to its lanes: the highest priority that has work, and of equals
        whoever has waited longest. A small campaign beside a huge one gets every second slot."""
        shares: dict[Lane, list[float]] = defaultdict(list)
        for agent, instants in slots.items():
            for slot in instants:
                if lane := min(self._lanes[agent], key=self._claim_to_a_slot, default=None):
                    self._turn += 1
                    self._served[lane.campaign_id, agent] = self._turn
                    shares[lane.campaign_id, agent].append(slot)
        return shares

    def _claim_to_a_slot(self, lane: LaneRow) -> tuple[int, int]:
        return lane.priority, self._served.get((lane.campaign_id, lane.agent_key), 0)

    def _set_aside(self, lane: Lane) -> None:
        """It has nothing more that is due; the next refresh looks again."""
        campaign, agent = lane
        self._lanes[agent] = [row for row in self._lanes[agent] if row.campaign_id != campaign]


def _releases(hints: Iterable[Hint], shares: Mapping[Lane, list[float]]) -> Iterator[SendMessages]:
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
