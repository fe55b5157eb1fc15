"""Senders' limits from the ledger to the carrier: a real dispatcher and engines, a simulator."""

import contextlib
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from unittest import mock

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreIsAway
from redis.retry import Retry

from deploy.demo import proof
from deploy.demo.proof import WINDOW
from deploy.local.system import ports
from deploy.simulators.twilio.server import Carrier
from scheduler.agents import store
from scheduler.agents.settings import AgentChanges
from scheduler.dispatch import dispatcher
from scheduler.dispatch.dispatcher import AHEAD, LEAD, TICK, Dispatcher
from scheduler.dispatch.sender_limited import LimitedSenders
from shared.db.session import transaction
from shared.domain.segments import measure
from shared.ledger import due, sender_limits
from shared.ledger.sender_limits import PacedHint
from shared.queue.jobs import Job, SendMessages
from shared.throttle import Throttle, period
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support import factories
from tests.support.environment import environment
from tests.support.eventually import eventually
from worker.send import deliver
from worker.send.engine import Engine

pytestmark = pytest.mark.alone

#: (when it arrived, segments, whether it begins a text)
Arrival = tuple[float, int, bool]


@dataclass
class Street:
    """A dispatcher that ticks in a thread, engines that share its releases, and their carrier."""

    carrier: Carrier
    engines: list[Engine] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        self._dispatcher = Dispatcher(Throttle(redis()), Tally(redis()))
        self._thread = threading.Thread(target=self._tick)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        for engine in self.engines:
            engine.stop(5)
            engine._loop.close()
            deliver._running.remove(engine)

    def until(self, accepted: int, *, seconds: float = 40) -> None:
        """Wait until the carrier has accepted so many parts."""
        eventually(lambda: len(self.log()) >= accepted, seconds=seconds)

    def log(self) -> list[proof.CreateCall]:
        return [entry for entry in proof.read(self.carrier.log()) if entry.accepted]

    def arrivals(self, sender: str) -> list[Arrival]:
        """What the carrier took from that number."""
        return [
            (entry["at"], measure(entry["body"]).segments, "p=0" in entry["status_callback"])
            for entry in self.carrier.log()
            if entry["from"] == sender and entry["accepted"]
        ]

    def _tick(self) -> None:
        while not self._over.is_set():
            self._dispatcher.tick()
            self._over.wait(TICK)

    def publish(self, jobs: Sequence[Job]) -> int:
        releases = [job.release for job in jobs if isinstance(job, SendMessages)]
        for entry in (entry for release in releases for entry in release):
            self.engines.append(self.engines.pop(0))
            self.engines[0].accept([entry])
        return len(jobs)


@pytest.fixture
def street(database: str) -> Iterator[Street]:
    """Two engines, and a carrier that tells nothing of its own accord."""
    script = {"scripted_numbers": False, "callbacks": {"drop": 1}, "latency_ms": 5}
    with contextlib.ExitStack() as stack:
        carrier = stack.enter_context(Carrier(script=script))
        stack.enter_context(environment(**_settings(carrier)))
        made = Street(carrier)
        stack.enter_context(mock.patch.object(dispatcher, "publish", made.publish))
        made.engines += [deliver.start(), deliver.start()]
        eventually(lambda: all(engine._pace.clock.good for engine in made.engines), seconds=40)
        stack.callback(made.end)
        made.begin()
        yield made


def test_no_second_of_a_sender_holds_more_segments_than_its_limit(street: Street) -> None:
    agent, campaign = speaker()
    slow, fast, free = numbers(agent, (4, None), (9, None), (None, None))
    other, elsewhere = speaker()
    (unlimited,) = numbers(other, (None, None))
    short = [["a" * length] for length in (20, 200, 20, 400)]
    texts = 10 * short + 2 * [["a" * 160, "b" * 200], ["a" * 450, "b" * 20]]
    for i, parts in enumerate(texts):
        message(campaign, agent, parts, phone=f"+120255501{i:02}")
    for _ in range(30):
        message(elsewhere, other, ("hello",))

    street.until(sum(map(len, texts)) + 30)

    for sender, limit in ((slow, 4), (fast, 9)):
        assert len(street.arrivals(sender)) > 10
        assert most(street.arrivals(sender)) <= limit
    starts = [one for sender in (slow, fast, free) for one in street.arrivals(sender) if one[2]]
    assert most([(at, 1, True) for at, _, _ in starts]) <= 5
    assert most([(at, 1, True) for at, _, _ in street.arrivals(unlimited)]) <= 5
    assert gap(street.arrivals(unlimited)) == pytest.approx(period(5), rel=0.1)
    assert proof.twice(street.log()) == []
    assert in_order(street.log())


def test_a_sender_is_used_up_to_its_limit(street: Street) -> None:
    agent, campaign = speaker()
    (slow,) = numbers(agent, (2, None))
    for _ in range(16):
        message(campaign, agent, ("hello",))

    street.until(16)

    assert gap(street.arrivals(slow)) == pytest.approx(period(2), rel=0.1)
    assert most(street.arrivals(slow)) <= 2


def test_a_slow_sender_does_not_hold_up_the_others_of_its_agent(street: Street) -> None:
    agent, campaign = speaker()
    slow, free = numbers(agent, (0.2, None), (None, None))
    for i in range(30):
        message(campaign, agent, ("hello",), phone=f"+120255501{i:02}")

    eventually(lambda: len(street.arrivals(free)), becomes=15, seconds=40)

    assert gap(street.arrivals(free)) < 2 * period(5)
    assert most(street.arrivals(slow)) == 1


def test_a_change_of_a_limit_holds_at_once_and_so_does_its_end(street: Street) -> None:
    agent, campaign = speaker()
    (number,) = numbers(agent, (0.5, None))
    for _ in range(40):
        message(campaign, agent, ("hello",))
    street.until(1)

    change(agent, number, segments_per_second=3)
    raised_at = time.time()
    street.until(10)
    at_three = [one for one in street.arrivals(number) if one[0] > raised_at]
    change(agent, number)
    freed_at = time.time()
    street.until(40)
    at_five = [one for one in street.arrivals(number) if one[0] > freed_at + 1]

    assert at_three[0][0] - raised_at < 1.9
    assert most(at_three) <= 3
    assert gap(at_three) == pytest.approx(period(3), rel=0.1)
    assert most(at_five) <= 5
    assert gap(at_five) == pytest.approx(period(5), rel=0.1)


def test_an_engine_that_stood_still_sends_nothing_of_a_limited_sender_late(street: Street) -> None:
    agent, campaign = speaker()
    (number,) = numbers(agent, (2, None))
    for _ in range(16):
        message(campaign, agent, ("hello",))
    for _ in range(6):
        street.until(len(street.log()) + 1)
        for engine in street.engines:
            engine._loop.call_soon_threadsafe(time.sleep, 0.7)

    street.until(16)

    assert most(street.arrivals(number)) <= 2
    assert proof.twice(street.log()) == []
    assert factories.rows("SELECT 1 FROM attempt WHERE status = 'returned'")


def test_a_day_is_used_up_exactly_by_several_engines(street: Street) -> None:
    agent, campaign = speaker()
    (number,) = numbers(agent, (None, 12))
    for _ in range(20):
        message(campaign, agent, ("hello",))

    street.until(12)
    eventually(
        lambda: not factories.rows("SELECT 1 FROM message WHERE due_at < now() + interval '45 s'"),
        seconds=40,
    )

    assert len(street.arrivals(number)) == 12
    change(agent, number, segments_per_day=15)
    street.until(15)
    eventually(
        lambda: not factories.rows("SELECT 1 FROM message WHERE due_at < now() + interval '45 s'"),
        seconds=40,
    )
    assert len(street.arrivals(number)) == 15


def test_without_the_throttle_what_was_hinted_is_given_back(database: str) -> None:
    agent, campaign = speaker()
    numbers(agent, (1, None))
    message(campaign, agent, ("hello",))
    away = Throttle(Redis(port=ports.any_free(), retry=Retry(NoBackoff(), 0)))
    senders = LimitedSenders(away, lead=LEAD, ahead=AHEAD)
    hints = hinted(senders, agent, campaign)

    with pytest.raises(StoreIsAway):
        senders.turns(hints, now=time.monotonic(), offset=0.0)

    assert len(hints) == 1
    assert factories.rows("SELECT 1 FROM message WHERE due_at <= now()")


def hinted(senders: LimitedSenders, agent: int, campaign: int) -> list[PacedHint]:
    """What the dispatcher would hint for these senders in its next tick."""
    with transaction() as connection:
        senders.refresh(connection)
        found = {agent: due.with_work(connection)}
        places = senders.places(time.monotonic(), found)
        return sender_limits.hint(
            connection, [(campaign, agent, len(places[agent]))], stale=dispatcher.COMPOSE_LEASE
        )


# -- the street's people ---------------------------------------------------------------------------


def speaker() -> tuple[int, int]:
    """An agent that starts five sessions a second, and a running campaign on it."""
    agent = factories.agent(rate=5)
    return agent, factories.campaign(agent)


def numbers(agent: int, *given: tuple[float | None, int | None]) -> list[str]:
    """Senders of the agent with these limits per second and per day."""
    made = [factories.sender(agent) for _ in given]
    for number, (per_second, per_day) in zip(made, given, strict=True):
        if per_second or per_day:
            factories.change(
                "INSERT INTO sender_limit (number, segments_per_second, segments_per_day) "
                "VALUES (:number, :per_second, :per_day)",
                number=number, per_second=per_second, per_day=per_day,
            )  # fmt: skip
    return made


def message(campaign: int, agent: int, parts: Sequence[str], **columns: str) -> None:
    segments = sum(measure(part).segments for part in parts)
    factories.message(campaign, agent, parts=parts, segments=segments, **columns)


def change(agent: int, number: str, **limits: float) -> None:
    """An operator gives that agent's only sender new limits."""
    (found,) = factories.rows("SELECT id FROM agent WHERE key = :key", key=agent)
    changes = {"senders": [{"number": number, **limits}]}
    store.change(found.id, AgentChanges.model_validate(changes), actor="ann")


def most(arrivals: list[Arrival]) -> int:
    """The most segments in any second of the carrier's time; of a long text alone, none."""
    sums = []
    for first, _, _ in arrivals:
        second = [segments for at, segments, _ in arrivals if 0 <= at - first < WINDOW]
        sums.append(sum(second) if len(second) > 1 else min(second[0], 1))
    return max(sums, default=0)


def gap(arrivals: list[Arrival]) -> float:
    """Seconds from one to the next, as it is most of the time: the machine may stop for a while."""
    return statistics.median(after - before for (before, *_), (after, *_) in pairwise(arrivals))


def in_order(log: list[proof.CreateCall]) -> bool:
    """Whether the parts of each text came one after the other."""
    came: dict[int, list[int]] = defaultdict(list)
    for entry in log:
        came[entry.message_id].append(entry.part)
    return all(parts == sorted(parts) for parts in came.values())


def _settings(carrier: Carrier) -> dict[str, object]:
    return {
        "twilio_api_url": carrier.url,
        "twilio_account_sid": carrier.account_sid,
        "twilio_auth_token": carrier.auth_token,
        "public_url": "http://127.0.0.1:9",
        "http_timeout": "2,3",
    }
