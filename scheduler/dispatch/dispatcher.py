"""Release due messages to the queue, no deeper than each agent can send in the next instants.

A shallow queue makes a pause immediate: there is little to take back. The round trips of a tick do
not grow with the number of agents: one reservation of slots, one statement of hints, one batch of
releases.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from scheduler.dispatch.admission import AdmissionControl
from scheduler.dispatch.releases import Lane, draw_places, releases
from scheduler.dispatch.sender_limited import LimitedSenders
from shared import metrics
from shared.db.session import retried, statement
from shared.errors import Misconfigured
from shared.ledger import due as lanes
from shared.ledger import sender_limits
from shared.ledger.due import Hint, LaneRow
from shared.ledger.shards import ALL
from shared.logging import get_logger
from shared.outage import Outage
from shared.queue.jobs import ComposeOpeners, SendMessages
from shared.queue.publish import publish
from shared.settings import settings
from shared.throttle import Granted, Throttle, Want
from shared.throttle.redis_clock import RedisClock, measure
from shared.throttle.slot_counts import Tally

log = get_logger(__name__)
H = TypeVar("H", bound=Hint)

#: Seconds between two ticks.
TICK = 0.10
#: Seconds to a slot, at the least: before it, a release must reach its worker and be claimed.
LEAD = 0.12
#: Seconds to a slot, at the most: a late start can only move slots that are not handed out yet.
AHEAD = LEAD + 2 * TICK
#: Seconds between two reads of the lanes, so the delay of a launch, a pause or a new rate. A read
#: that takes long, for thousands of agents, may use this share of the time.
REFRESH, REFRESH_SHARE = 0.25, 0.1
#: Seconds. A dispatcher without work for the first waits for a nudge, and looks every second. A row
#: that waits for its sender is due again sooner than the first.
IDLE_AFTER, IDLE_TICK = 10.0, 1.0
#: Seconds between two measures of Redis's clock.
CLOCK_EVERY = 60.0
#: Seconds between two rounds for openers; openers of a campaign in one round; openers in a job;
#: the lease of a composer.
COMPOSE_EVERY = 0.25
COMPOSE_MOST = 500
COMPOSE_CHUNK = 100
COMPOSE_LEASE = timedelta(seconds=30)


class Dispatcher:
    """The pacer. Call `tick` every TICK seconds. Several dispatchers at once do no harm."""

    def __init__(
        self, throttle: Throttle, tally: Tally, mine: Callable[[], frozenset[int]] = lambda: ALL
    ) -> None:
        self._throttle = throttle
        self._tally = tally
        self._mine = mine
        #: the shards and the count of lane changes at the last read of `_lanes`
        self._seen: tuple[frozenset[int], int] = (frozenset(), 0)
        self._admission = AdmissionControl()
        self._senders = LimitedSenders(throttle, lead=LEAD, ahead=AHEAD)
        self._lanes: dict[int, list[LaneRow]] = defaultdict(list)
        self._served: dict[Lane, int] = {}
        self._turn = 0
        #: priority → the agent that was asked last
        self._last_asked: dict[int, int] = {}
        #: agents whose next slot was beyond the horizon. They come first at the next reservation:
        #: an agent that asks after its slot gets a later one, and might never start.
        self._awaiting_slot: set[int] = set()
        self._next: dict[int, float] = {}
        self._clock = RedisClock(offset=0.0, doubt=float("inf"))
        self._measured = self._refresh_at = self._composed = -CLOCK_EVERY
        self._worked = time.monotonic()

    def tick(self) -> int:
        """Hint and release what is due; returns how many messages."""
        now = time.monotonic()
        if now - self._measured >= CLOCK_EVERY:
            self._clock = measure(self._throttle)
            self._measured = now
        met, missed, changes = self._tally.read()
        seen = self._mine(), changes
        if seen != self._seen or now >= self._refresh_at:
            self._refresh(seen[0])
            self._seen = seen
            self._refresh_at = now + max(REFRESH, (time.monotonic() - now) / REFRESH_SHARE)
        self._admission.learn(now, met, missed)
        places = self._senders.places(now, self._lanes)
        ready = self._ready(now)
        room = self._admission.room(now)
        share = min(1.0, room / max(1, len(ready) + sum(map(len, places.values()))))
        released = self._release(self._reserve(ready, share * len(ready), now))
        # The rest is about other messages: if it fails, the messages above are on their way.
        released += self._release_paced(draw_places(places, share) if share < 1 else places, now)
        if now - self._composed >= COMPOSE_EVERY:
            self._composed = now
            if _release_openers():
                self._worked = now
        if self._lanes:
            self._worked = now
        metrics.released.inc(released)
        return released

    @property
    def idle(self) -> bool:
        """Whether there has been nothing to send or to compose for IDLE_AFTER seconds."""
        return time.monotonic() - self._worked > IDLE_AFTER

    def _release(self, granted: list[Granted]) -> int:
        slots = {int(grant.agent): grant.slots() for grant in granted}
        hints, shares = self._hint(slots, lanes.hint)
        return _publish(list(releases(hints, shares)))

    def _release_paced(self, places: Mapping[int, list[float]], now: float) -> int:
        """Release for agents whose senders have limits: first the messages, then their slots."""
        paced, _ = self._hint(places, sender_limits.hint)
        entries = self._senders.turns(paced, now=now, offset=self._clock.offset)
        self._admission.took(len(entries))
        return _publish(list(releases([], {}, entries)))

    def _refresh(self, shards: frozenset[int]) -> None:
        with statement() as connection:
            found = lanes.with_work(connection, shards)
            self._senders.refresh(connection)
        self._lanes = defaultdict(list)
        for lane in found:
            self._lanes[lane.agent_key].append(lane)
        if len(self._served) > 4 * len(found) + 1000:
            # Keep the turns of lanes that briefly have no work: without them they would come first.
            known = {(lane.campaign_id, lane.agent_key) for lane in found}
            self._served = {lane: turn for lane, turn in self._served.items() if lane in known}

    def _ready(self, now: float) -> list[int]:
        """Agents with work whose next slot is near enough to reserve."""
        return [
            agent
            for agent, rows in self._lanes.items()
            if rows and self._next.get(agent, 0.0) < now + AHEAD and agent not in self._senders
        ]

    def _reserve(self, ready: list[int], room: float, now: float) -> list[Granted]:
        """Reserve slots for these agents, within the room that admission control gives."""
        if room < len(ready):
            ready = self._most_urgent(ready, room, now)
        if not ready:
            return []
        wants = [self._want(agent) for agent in ready]
        granted = self._throttle.reserve_many(wants, lead=LEAD, ahead=AHEAD)
        for grant in granted:
            slot = grant.first + grant.count * grant.period
            self._next[int(grant.agent)] = slot - self._clock.offset
            (self._awaiting_slot.discard if grant.count else self._awaiting_slot.add)(
                int(grant.agent)
            )
        self._admission.took(sum(grant.count for grant in granted))
        return [grant for grant in granted if grant.count]

    def _want(self, agent: int) -> Want:
        lane = self._lanes[agent][0]
        return Want(str(agent), lane.account, lane.rate, int(AHEAD * lane.rate) + 1)

    def _most_urgent(self, ready: list[int], room: float, now: float) -> list[int]:
        """The most urgent agents, as many as `room` slots are enough for; among equals those first
        that come after the last agent asked.
        """

        urgent = {agent: min(r.priority for r in self._lanes[agent]) for agent in ready}

        def turn(agent: int) -> tuple[int, bool, bool, int]:
            asked = self._last_asked.get(urgent[agent], 0)
            return urgent[agent], agent not in self._awaiting_slot, agent <= asked, agent

        chosen = []
        for agent in sorted(ready, key=turn):
            if room <= 0:
                break
            rate = self._lanes[agent][0].rate
            foretold = self._next.get(agent, 0.0) >= now
            room -= max(1.0, TICK * rate) if foretold else (AHEAD - LEAD) * rate
            chosen.append(agent)
            if agent not in self._awaiting_slot:
                self._last_asked[urgent[agent]] = agent
        return chosen

    def _hint(
        self, slots: Mapping[int, list[float]], hint: Callable[..., list[H]]
    ) -> tuple[list[H], dict[Lane, list[float]]]:
        """Hint due messages; returns them and each lane's slots. Lanes share their unused slots."""
        hints: list[H] = []
        used: dict[Lane, list[float]] = defaultdict(list)
        stale = timedelta(seconds=settings().release_stale_after)
        while shares := self._shares(slots):
            wants = [(*lane, len(instants)) for lane, instants in shares.items()]
            found = retried(partial(hint, wants=wants, stale=stale))
            hints += found
            count = Counter((one.campaign_id, one.agent_key) for one in found)
            left: dict[int, list[float]] = {}
            for lane, instants in shares.items():
                used[lane] += instants[: count[lane]]
                if count[lane] < len(instants):
                    left.setdefault(lane[1], []).extend(instants[count[lane] :])
                    self._set_aside(lane)
            slots = left
        return hints, used

    def _shares(self, slots: Mapping[int, list[float]]) -> dict[Lane, list[float]]:
        """Deal each agent's slots to its lanes: to the highest priority with work, and among equals
        to the lane that has waited longest. A small campaign beside a huge one gets every second
        slot.
        """
        shares: dict[Lane, list[float]] = defaultdict(list)
        for agent, instants in slots.items():
            for slot in instants:
                if lane := min(self._lanes[agent], key=self._lane_order, default=None):
                    self._turn += 1
                    self._served[lane.campaign_id, agent] = self._turn
                    shares[lane.campaign_id, agent].append(slot)
        return shares

    def _lane_order(self, lane: LaneRow) -> tuple[int, int]:
        return lane.priority, self._served.get((lane.campaign_id, lane.agent_key), 0)

    def _set_aside(self, lane: Lane) -> None:
        """Drop a lane with nothing more that is due; the next refresh reads it again."""
        campaign, agent = lane
        self._lanes[agent] = [row for row in self._lanes[agent] if row.campaign_id != campaign]


def _publish(found: list[SendMessages]) -> int:
    """Publish; returns how many messages went out. Messages that the broker did not take are due
    again at once: as lost hints they would wait half a minute longer than the outage.
    """
    taken = publish(found)
    if left := [(id_, due) for job in found[taken:] for id_, _, due in job.release]:
        retried(partial(lanes.unhint, hints=left))
    return sum(len(job.release) for job in found[:taken])


def _release_openers() -> int:
    """Lease planned messages to the composers, before any slot; returns how many. The leases of
    jobs that the broker did not take are given back.
    """
    take = partial(lanes.uncomposed, per_campaign=COMPOSE_MOST, lease=COMPOSE_LEASE)
    ids = retried(take, within=statement)
    jobs = [
        ComposeOpeners(message_ids=tuple(ids[start : start + COMPOSE_CHUNK]))
        for start in range(0, len(ids), COMPOSE_CHUNK)
    ]
    taken = publish(jobs)
    if left := ids[taken * COMPOSE_CHUNK :]:
        retried(partial(lanes.still_uncomposed, ids=left))
    return len(ids)


def run(
    dispatcher: Dispatcher,
    stopping: Callable[[], bool],
    nudged: Callable[[float], object] = time.sleep,
) -> None:
    """Tick until `stopping()`. Without Redis or Postgres nothing starts, and the loop goes on.

    Raises Misconfigured: no other error ends the loop.

    While there is nothing to do, `nudged(seconds)` waits for a nudge, at most so long.
    """
    servers = Outage(log, away="dispatch.failed", back="dispatch.works_again")
    next_tick = time.monotonic()
    while not stopping():
        began = time.monotonic()
        try:
            dispatcher.tick()
            servers.answered()
        except Misconfigured:  # no later tick can succeed: the process must end
            raise
        except (RedisError, DBAPIError) as error:
            metrics.loop_failures.labels("dispatch").inc()
            servers.failed(error)
            time.sleep(0.5)
        except Exception as error:
            metrics.loop_failures.labels("dispatch").inc()
            log.exception("dispatch.bug", error=type(error).__name__)
            time.sleep(0.5)
        metrics.dispatch_tick.observe(time.monotonic() - began)
        if dispatcher.idle:
            nudged(IDLE_TICK)
            next_tick = time.monotonic()
            continue
        next_tick = max(next_tick + TICK, time.monotonic() - TICK)
        time.sleep(max(0.0, next_tick - time.monotonic()))
