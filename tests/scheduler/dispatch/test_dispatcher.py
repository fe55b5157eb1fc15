"""The dispatcher against a real Postgres and a real Valkey, in a time that the test moves."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, pairwise
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreIsAway
from redis.retry import Retry
from sqlalchemy import event

from deploy.local.system import ports
from scheduler import nudges as nudging
from scheduler.campaigns import lifecycle, stop_sending
from scheduler.dispatch import admission, dispatcher, sender_limited
from scheduler.dispatch.dispatcher import (
    AHEAD,
    IDLE_AFTER,
    IDLE_TICK,
    LEAD,
    REFRESH,
    TICK,
    Dispatcher,
)
from scheduler.dispatch.releases import RELEASE, releases
from scheduler.nudges import Nudges
from shared import metrics
from shared.db.session import engine, transaction
from shared.errors import Misconfigured
from shared.ledger import due as lanes
from shared.queue import publish
from shared.queue.jobs import ComposeOpeners, Job, SendMessages
from shared.settings import settings
from shared.throttle import Granted, Throttle, Want, period
from shared.throttle.redis_client import redis
from shared.throttle.redis_clock import RedisClock
from shared.throttle.slot_counts import Tally
from tests.support import factories
from tests.support.broker import broker
from tests.support.factories import change, rows

REMINDER, BULK = 2, 3


class Steered(Throttle):
    """The real throttle, told what time it is."""

    def __init__(self, store: Redis) -> None:
        super().__init__(store)
        self.noon = super().now()
        self.passed = 0.0

    def now(self) -> float:
        return self.noon + self.passed

    def reserve_many(
        self,
        wants: Sequence[Want],
        *,
        lead: float,
        ahead: float,
        spread: bool = True,
        now: float | None = None,
    ) -> list[Granted]:
        at = self.now() if now is None else now
        return super().reserve_many(wants, lead=lead, ahead=ahead, spread=spread, now=at)


@dataclass
class Pace:
    """A dispatcher, its time, and what it has released: (when, slot, message id, due)."""

    throttle: Steered
    began: float
    released: list[tuple[float, float, int, int]] = field(default_factory=list)
    composed: list[int] = field(default_factory=list)
    on_publish: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(self.throttle, Tally(redis()))

    def run(self, seconds: float) -> None:
        """Tick for so long."""
        for _ in range(round(seconds / TICK)):
            self.dispatcher.tick()
            self.throttle.passed += TICK

    def monotonic(self) -> float:
        return self.began + self.throttle.passed

    def clock(self, throttle: Throttle) -> RedisClock:
        return RedisClock(offset=throttle.now() - self.monotonic(), doubt=0.0)

    def publish(self, jobs: Iterator[Job]) -> int:
        taken = list(jobs)
        self.on_publish()
        for job in taken:
            if isinstance(job, SendMessages):
                self.released += [
                    (self.throttle.now(), slot, message_id, due)
                    for message_id, slot, due in job.release
                ]
            elif isinstance(job, ComposeOpeners):
                self.composed += job.message_ids
        return len(taken)

    def ids(self) -> list[int]:
        return [message_id for _, _, message_id, _ in sorted(self.released, key=lambda r: r[1])]


@pytest.fixture
def pace(database: str, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A dispatcher that has been running for a while."""
    throttle = Steered(redis())
    throttle.reserve("nobody", 1, now=throttle.noon - 10)
    pace = Pace(throttle, began=monotonic())
    monkeypatch.setattr(dispatcher, "time", SimpleNamespace(monotonic=pace.monotonic))
    monkeypatch.setattr(dispatcher, "measure", pace.clock)
    monkeypatch.setattr(dispatcher, "publish", pace.publish)
    return pace


# -- hints -----------------------------------------------------------------------------------------


def test_a_due_message_is_released_with_its_slot_and_the_due_at_that_was_written(
    pace: Pace,
) -> None:
    agent = factories.agent("ann", senders=1)
    (message,) = factories.messages(factories.campaign(agent), agent, 1)

    pace.run(1)

    ((when, slot, released, due),) = pace.released
    ((stored,),) = rows("SELECT (extract(epoch FROM due_at) * 1000000)::bigint FROM message")
    assert (released, due) == (message, stored)
    assert LEAD - 1e-4 <= slot - when <= AHEAD


def test_a_hint_is_committed_before_its_release_is_published(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 1)
    resting_when_published = []

    def look() -> None:
        ((resting,),) = rows("SELECT count(*) FROM message WHERE due_at > now()")
        resting_when_published.append(resting)

    pace.on_publish = look
    pace.run(1)

    assert max(resting_when_published) == 1
    assert len(pace.released) == 1


def test_a_hint_lets_a_message_rest_for_release_stale_after(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 1)

    pace.run(1)

    ((status, rests),) = rows("SELECT status, due_at - now() FROM message")
    stale = timedelta(seconds=settings().release_stale_after)
    assert status == "ready"
    assert stale - timedelta(seconds=10) < rests <= stale


def test_a_lost_hint_comes_back_by_itself(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    (message,) = factories.messages(factories.campaign(agent), agent, 1)
    pace.run(1)
    change("UPDATE message SET due_at = due_at - :stale", stale=timedelta(seconds=30))

    pace.run(1)

    assert pace.ids() == [message, message]
    first, second = (due for _, _, _, due in pace.released)
    assert second > first


def test_nothing_is_released_twice_while_its_hint_is_fresh(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    messages = factories.messages(factories.campaign(agent), agent, 3)

    pace.run(5)

    assert sorted(pace.ids()) == messages


def test_the_queue_is_no_deeper_than_the_next_instants(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 1000)

    pace.run(2)

    ((resting,),) = rows("SELECT count(*) FROM message WHERE due_at > now()")
    assert 9 <= resting <= 11


# -- what must not start
# -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["draft", "ready", "scheduled", "paused", "cancelled", "finished"]
)
def test_nothing_is_hinted_for_a_campaign_that_does_not_run(pace: Pace, status: str) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent, status=status), agent, 5)

    pace.run(2)

    assert pace.released == []
    assert rows("SELECT 1 FROM message WHERE due_at > now()") == []


def test_nothing_is_hinted_for_a_paused_agent(pace: Pace) -> None:
    paused, active = (
        factories.agent("paused", status="paused", senders=1),
        factories.agent("active", senders=1),
    )
    campaign = factories.campaign(paused, active)
    factories.messages(campaign, paused, 5)
    theirs = factories.messages(campaign, active, 5)

    pace.run(2)

    assert sorted(pace.ids()) == theirs


def test_nothing_is_hinted_while_all_sending_is_stopped(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 5)

    stop_sending.stop_sending(actor="test")
    pace.run(1)
    stopped = list(pace.released)
    stop_sending.start_sending(actor="test")
    pace.run(1)

    assert stopped == []
    assert pace.released != []


def test_where_the_senders_are_the_limit_every_agent_gets_its_turns(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_more(monkeypatch, than=10.0)
    pace.dispatcher = Dispatcher(pace.throttle, Tally(redis()))
    agents = [factories.agent(f"agent-{n}", rate=1, senders=1) for n in range(40)]
    campaign = factories.campaign(*agents)
    of = {message: agent for agent in agents for message in factories.messages(campaign, agent, 20)}

    pace.run(15)

    starts = Counter(of[message] for message in pace.ids())
    assert 100 <= starts.total() <= 170
    assert min(starts[agent] for agent in agents) >= 2
    assert max(starts.values()) <= 6


def test_where_the_senders_are_the_limit_the_less_urgent_get_turns_too(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _never_more(monkeypatch, than=30.0)
    pace.dispatcher = Dispatcher(pace.throttle, Tally(redis()))
    urgent, patient = (
        factories.agent("urgent", senders=1),
        [factories.agent(f"agent-{n}", senders=1) for n in range(30)],
    )
    of = dict.fromkeys(
        factories.messages(factories.campaign(urgent, priority=REMINDER), urgent, 80), urgent
    )
    campaign = factories.campaign(*patient, priority=BULK)
    of |= {
        message: agent for agent in patient for message in factories.messages(campaign, agent, 50)
    }

    pace.run(12)

    starts = Counter(of[message] for message in pace.ids())
    assert starts[urgent] >= 50, "nobody is before the urgent one"
    assert min(starts[agent] for agent in patient) >= 2


def _never_more(monkeypatch: pytest.MonkeyPatch, *, than: float) -> None:
    """Starts per second that the dispatcher believes in, for ever."""
    monkeypatch.setattr(admission, "BEGIN", than)
    monkeypatch.setattr(admission, "DOUBLE", 0.0)
    monkeypatch.setattr(admission, "LOW_STEP", 0.0)


def test_a_launch_is_seen_at_the_next_tick(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent, status="ready")
    change(
        "UPDATE campaign SET report = '{\"accepted\": 9}' WHERE id = :id",
        id=campaign,
    )
    factories.messages(campaign, agent, 9)
    pace.run(1)
    pace.dispatcher._refresh_at = float("inf")  # no look of its own accord

    lifecycle.launch(campaign, actor="test")
    pace.run(4 * TICK)

    assert pace.released != []


def test_who_has_found_nothing_to_do_for_a_while_is_idle_until_there_is(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    pace.run(IDLE_AFTER - 1)
    early = pace.dispatcher.idle
    pace.run(2)
    idle = pace.dispatcher.idle

    factories.messages(factories.campaign(agent), agent, 1)
    pace.run(REFRESH + TICK)

    assert (early, idle, pace.dispatcher.idle) == (False, True, False)


def test_who_has_openers_to_be_worded_is_not_idle(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    pace.run(IDLE_AFTER + 1)

    factories.messages(factories.campaign(agent), agent, 1, planned=True)
    pace.run(REFRESH + TICK)

    assert not pace.dispatcher.idle


def test_a_row_that_waits_for_its_sender_is_due_again_before_anybody_is_idle() -> None:
    assert sender_limited.LONGEST_WAIT < IDLE_AFTER


def test_an_idle_loop_sleeps_until_it_is_nudged_and_a_launch_nudges_it(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent, status="ready")
    change("UPDATE campaign SET report = '{\"accepted\": 9}' WHERE id = :id", id=campaign)
    factories.messages(campaign, agent, 9)
    pace.run(IDLE_AFTER + 1)
    nudges, slept = Nudges(redis()), set[float]()
    asleep, over, released = threading.Event(), threading.Event(), threading.Event()

    def published() -> None:
        if pace.released:
            released.set()

    pace.on_publish = published

    def nudged(seconds: float) -> bool:
        slept.add(seconds)
        asleep.set()
        return nudges.wait(60)  # only a nudge wakes it in time

    def sleep(seconds: float) -> None:
        pace.throttle.passed += TICK

    monkeypatch.setattr(nudging, "_SILENT", 0.1)
    monkeypatch.setattr(dispatcher, "time", SimpleNamespace(monotonic=pace.monotonic, sleep=sleep))
    nudges.start(over)
    loop = threading.Thread(target=dispatcher.run, args=(pace.dispatcher, over.is_set, nudged))
    loop.start()
    assert asleep.wait(20)

    lifecycle.launch(campaign, actor="test")
    went_out = released.wait(20)
    over.set()
    nudges.wake()
    loop.join(20)

    assert (went_out, loop.is_alive(), slept) == (True, False, {IDLE_TICK})


def test_a_wrong_setting_ends_the_loop_and_a_server_that_is_away_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = iter([StoreIsAway("away"), ZeroDivisionError(), Misconfigured("no_database", "Set it.")])

    looks = count()

    def tick() -> None:
        raise next(ends)

    unhurried = SimpleNamespace(monotonic=monotonic, sleep=lambda _: None)
    monkeypatch.setattr(dispatcher, "time", unhurried)
    stub: Any = SimpleNamespace(tick=tick, idle=False)
    with pytest.raises(Misconfigured, match="Set it"):
        dispatcher.run(stub, lambda: next(looks) > 9)

    assert next(ends, None) is None


def test_a_pause_is_seen_within_a_refresh_and_a_resume_as_well(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent)
    factories.messages(campaign, agent, 100)
    pace.run(1)

    lifecycle.pause(campaign, actor="test")
    pace.run(REFRESH + TICK)
    before = len(pace.released)
    pace.run(2)
    paused = len(pace.released)
    lifecycle.resume(campaign, actor="test")
    pace.run(1)

    assert paused == before
    assert len(pace.released) > paused


def test_an_agent_on_hold_is_not_dispatched_until_its_end(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 5)
    pace.throttle.no_start_before(f"agent:{agent}", pace.throttle.now() + 2)

    pace.run(1.5)
    held = list(pace.released)
    pace.run(1.5)

    assert held == []
    assert pace.released != []


# -- pace and fairness
# -------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 5])
def test_an_agent_is_kept_busy_at_its_rate_and_never_above_it(pace: Pace, rate: int) -> None:
    agent = factories.agent("ann", rate=rate, senders=1)
    factories.messages(factories.campaign(agent), agent, 100)

    pace.run(10)

    slots = sorted(slot for _, slot, _, _ in pace.released)
    gaps = [b - a for a, b in pairwise(slots)]
    assert gaps == pytest.approx([period(rate)] * len(gaps), abs=1e-4)
    assert len(slots) >= 10 * rate * 0.97 - 2


def test_a_new_rate_is_seen_within_a_refresh(pace: Pace) -> None:
    agent = factories.agent("ann", rate=1, senders=1)
    factories.messages(factories.campaign(agent), agent, 100)
    pace.run(2)
    change("UPDATE agent SET rate = 5")
    pace.run(2)
    before = len(pace.released)

    pace.run(2)

    assert 9 <= len(pace.released) - before <= 11


def test_a_small_campaign_beside_a_big_one_starts_within_two_slots(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    big = factories.campaign(agent)
    factories.messages(big, agent, 1000)
    pace.run(2)

    small = set(factories.messages(factories.campaign(agent), agent, 10))
    pace.run(REFRESH)
    seen = len(pace.released)
    pace.run(5)

    assert small & set(pace.ids()[: seen + 2])
    assert small <= set(pace.ids()[: seen + 20])


def test_two_campaigns_of_one_agent_share_its_slots_evenly(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    one = set(factories.messages(factories.campaign(agent), agent, 500))
    factories.messages(factories.campaign(agent), agent, 500)

    pace.run(6)

    released = pace.ids()
    assert len(released) >= 26
    assert abs(2 * len(one & set(released)) - len(released)) <= 1


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5, 0.75])
def test_a_campaign_whose_messages_come_one_by_one_does_not_starve_another(
    pace: Pace, offset: float
) -> None:
    agent = factories.agent("ann", rate=1, senders=1)
    patient = set(factories.messages(factories.campaign(agent), agent, 100))
    trickling = factories.campaign(agent)
    pace.run(1 + offset)

    for _ in range(10):
        factories.messages(trickling, agent, 1)
        pace.run(period(1))

    assert len(patient & set(pace.ids())) >= 4


def test_a_reminder_goes_before_bulk(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    bulk = factories.messages(factories.campaign(agent, priority=BULK), agent, 50)
    reminders = factories.messages(factories.campaign(agent, priority=REMINDER), agent, 10)

    pace.run(4)

    released = pace.ids()
    assert released[:10] == reminders
    assert set(released[10:]) <= set(bulk)
    assert len(released) > 10


def test_messages_that_have_waited_longest_go_first(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    messages = factories.messages(factories.campaign(agent), agent, 10)
    last, first = messages[0], messages[-1]
    change("UPDATE message SET due_at = due_at - interval '1 hour' WHERE id = :id", id=first)

    pace.run(3)

    assert pace.ids()[0] == first
    assert pace.ids()[1] == last


# -- what a tick costs
# -------------------------------------------------------------------------------


def test_a_tick_takes_as_many_round_trips_for_two_hundred_agents_as_for_one(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = _Cost(monkeypatch)
    campaign = factories.campaign(only := factories.agent("agent 0", senders=1))
    factories.messages(campaign, only, 20)
    one = cost.dearest_tick(pace)

    for n in range(1, 200):
        agent = factories.agent(f"agent {n}", senders=1)
        change("INSERT INTO lane VALUES (:campaign, :agent)", campaign=campaign, agent=agent)
        factories.messages(campaign, agent, 3)
    many = cost.dearest_tick(pace)

    assert len(_agents_of(pace.ids())) > 150
    # Lanes, limits and openers are looked for every few ticks, which may coincide with a hint.
    assert max(one[0], many[0]) <= len(("lanes", "limits", "hint", "openers"))
    assert many[1] == one[1]


class _Cost:
    """Counts SQL statements, calls to Redis and published jobs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements = self.calls = 0
        event.listen(engine(), "before_cursor_execute", self._statement)
        client = redis()
        real: Callable[..., object] = client.execute_command

        def counting(*args: object, **options: object) -> object:
            self.calls += 1
            return real(*args, **options)

        monkeypatch.setattr(client, "execute_command", counting)

    def dearest_tick(self, pace: Pace) -> tuple[int, int]:
        """The most (statements, calls to Redis) of any tick in two seconds of steady work."""
        pace.run(0.5)
        dearest = (0, 0)
        for _ in range(40):
            self.statements = self.calls = 0
            pace.run(TICK)
            dearest = max(dearest[0], self.statements), max(dearest[1], self.calls)
        return dearest

    def _statement(self, *_: object) -> None:
        self.statements += 1


def _agents_of(ids: list[int]) -> list[object]:
    return rows("SELECT DISTINCT agent_key FROM message WHERE id = ANY (:ids)", ids=ids)


def test_messages_due_together_travel_in_few_releases(pace: Pace) -> None:
    hints = [lanes.Hint(1, 1, n, due=n) for n in range(1000)]

    made = list(releases(hints, {(1, 1): [float(n) for n in range(1000)]}))

    assert [len(job.release) for job in made] == [100] * 10
    assert [entry[1] for job in made for entry in job.release] == sorted(map(float, range(1000)))


# -- what is away
# ------------------------------------------------------------------------------------


def test_what_a_broker_that_is_away_did_not_take_goes_as_soon_as_it_is_back(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent)
    (message,) = factories.messages(campaign, agent, 1)
    (planned,) = factories.messages(campaign, agent, 1, planned=True)
    failures = metrics.publish_failures._value.get()

    with monkeypatch.context() as patch, broker(f"redis://127.0.0.1:{ports.any_free()}/0"):
        patch.setattr(dispatcher, "publish", publish.publish)
        pace.run(1)
    failed = metrics.publish_failures._value.get() - failures
    pace.run(1)

    assert failed >= 2
    assert pace.ids() == [message]
    assert pace.composed == [planned]


def test_only_what_the_broker_did_not_take_is_due_at_once(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "publish", lambda jobs: min(1, len(jobs)))
    agents = [factories.agent(f"agent {n}", senders=1) for n in range(60)]
    campaign = factories.campaign(*agents)
    for agent in agents:
        factories.messages(campaign, agent, 1)

    pace.dispatcher.tick()

    ((resting, due),) = rows(
        "SELECT count(*) FILTER (WHERE due_at > now()), count(*) FILTER (WHERE due_at <= now()) "
        "FROM message"
    )
    assert (resting, due) == (RELEASE[0], 60 - RELEASE[0])


def test_without_redis_nothing_starts(database: str) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 3)
    away = Redis(port=ports.any_free(), retry=Retry(NoBackoff(), 0))

    with pytest.raises(StoreIsAway):
        Dispatcher(Throttle(away), Tally(away)).tick()

    assert rows("SELECT 1 FROM message WHERE due_at > now()") == []


def test_when_redis_goes_away_in_mid_flight_nothing_more_starts(
    pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = factories.agent("ann", senders=1)
    factories.messages(factories.campaign(agent), agent, 50)
    pace.run(1)
    before = len(pace.released)

    def away(**_: object) -> None:
        raise StoreIsAway

    monkeypatch.setattr(pace.throttle, "_reserve", away)
    failed = 0
    for _ in range(40):
        try:
            pace.run(TICK)
        except StoreIsAway:
            failed += 1
            pace.throttle.passed += TICK

    assert failed > 0
    assert len(pace.released) == before


def test_the_loop_outlives_redis_and_says_so(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Redis(port=ports.any_free(), retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(
        dispatcher, "time", SimpleNamespace(monotonic=monotonic, sleep=lambda seconds: None)
    )
    failures = metrics.loop_failures.labels("dispatch")
    before = failures._value.get()
    rounds = iter([False, False, False, True])

    dispatcher.run(Dispatcher(Throttle(away), Tally(away)), lambda: next(rounds))

    assert failures._value.get() == before + 3


# -- openers
# -----------------------------------------------------------------------------------------


def test_planned_messages_are_leased_to_composers_ahead_of_any_slot(pace: Pace) -> None:
    agent = factories.agent("ann", senders=1)
    planned = factories.messages(factories.campaign(agent), agent, 3, planned=True)
    factories.messages(factories.campaign(agent, status="paused"), agent, 3, planned=True)

    pace.run(1)

    assert pace.composed == planned
    assert pace.released == []
    with transaction() as connection:
        assert lanes.uncomposed(connection, per_campaign=9, lease=timedelta(seconds=1)) == []
