"""The sending engine: with a real Postgres, a real Valkey, and the simulated carrier."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from deploy.simulators.twilio.server import Carrier
from shared import metrics
from shared.db.session import transaction
from shared.ledger import due as lanes
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from tests.support import factories
from tests.support.counts import count
from tests.support.engines import running_engine
from tests.support.environment import environment
from tests.support.eventually import eventually, ever
from tests.support.told import Told
from worker.send import engine as engine_module
from worker.send.calls import Calls
from worker.send.engine import Engine
from worker.send.slots import Due, Loaded, Slots

#: What the dispatcher publishes of a message: its id, its slot, the `due_at` of its hint.
Entry = tuple[int, float, int]

pytestmark = pytest.mark.alone


@pytest.fixture
def carrier(database: str) -> Iterator[Carrier]:
    """A carrier that tells nothing of its own accord; the settings lead to it."""
    with Carrier(script={"callbacks": {"drop": 1}, "latency_ms": 5}) as made:
        settings = {
            "twilio_api_url": made.url,
            "twilio_account_sid": made.account_sid,
            "twilio_auth_token": made.auth_token,
            "public_url": "http://127.0.0.1:9",
            "http_timeout": "2,3",
        }
        with environment(**settings):
            yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What engines that are made after this log."""
    return Told(monkeypatch, engine_module)


@pytest.fixture
def lane(carrier: Carrier) -> tuple[int, int]:
    """A campaign, and its agent on that carrier's account."""
    agent = factories.agent(account=f"twilio:{carrier.account_sid}")
    factories.sender(agent)
    return factories.campaign(agent), agent


@pytest.fixture
def engine(lane: tuple[int, int], told: Told) -> Iterator[Engine]:
    """An engine that runs, and knows the agent from its start."""
    with running_engine() as running:
        yield running


def messages(lane: tuple[int, int], *phones: str) -> list[int]:
    """A message that is due now to each of them."""
    return [factories.message(*lane, phone=phone) for phone in phones]


def phones(count: int) -> list[str]:
    return [f"+1202555{n + 100:04d}" for n in range(count)]


def released(lane: tuple[int, int], *, first: float, apart: float = 0.1) -> list[Entry]:
    """Release all that is due: the first slot in so many seconds, the next ones behind it."""
    with transaction() as connection:
        hints = lanes.hint(connection, [(*lane, 100)], stale=timedelta(seconds=60))
    begin = Throttle(redis()).now() + first
    return [(hint.message_id, begin + n * apart, hint.due) for n, hint in enumerate(hints)]


def went_to(carrier: Carrier) -> list[str]:
    """To whom the carrier accepted a message, in that order."""
    return [entry["to"] for entry in carrier.log() if entry["accepted"]]


def statuses() -> list[str]:
    return [row.status for row in factories.rows("SELECT status FROM message ORDER BY id")]


def outcomes() -> list[str | None]:
    found = factories.rows("SELECT outcome FROM attempt ORDER BY message_id, n")
    return [row.outcome for row in found]


def failures() -> float:
    return count(metrics.loop_failures.labels("engine"))


def test_messages_go_out_in_the_order_of_their_slots_however_they_came(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    messages(lane, *phones(4))
    release = released(lane, first=0.6, apart=0.3)

    for entry in reversed(release):
        engine.accept([entry])

    eventually(statuses, becomes=["accepted"] * 4)
    assert went_to(carrier) == phones(4)


def test_no_message_goes_out_before_its_slot(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    messages(lane, *phones(1))
    ((message_id, slot, due),) = released(lane, first=0.5)

    engine.accept([(message_id, slot, due)])

    assert eventually(carrier.log)[0]["at"] >= slot - 0.01  # the two clocks are one machine's


def test_a_release_that_comes_twice_goes_out_once(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    messages(lane, *phones(5))
    release = released(lane, first=0.3, apart=0.02)

    engine.accept(release)
    engine.accept(release)
    eventually(statuses, becomes=["accepted"] * 5)
    engine.accept(release)

    assert not ever(lambda: len(carrier.log()) != 5, seconds=0.5)


def test_a_call_that_fails_stops_no_other(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    refused, never_answered = "+12025559005", "+12025559020"
    one, other = phones(2)
    messages(lane, one, refused, never_answered, other)

    engine.accept(released(lane, first=0.3))

    eventually(statuses, becomes=["accepted", "failed", "sending", "accepted"])
    assert went_to(carrier) == [one, never_answered, other]


def test_a_call_that_dies_of_a_bug_stops_no_other_and_is_told_of(
    carrier: Carrier,
    lane: tuple[int, int],
    engine: Engine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, broken, _ = messages(lane, *phones(3))
    make, before = Calls.make, failures()

    async def dies(calls: Calls, loaded: Loaded) -> bool:
        if loaded.claimed.message_id == broken:
            raise ZeroDivisionError
        return await make(calls, loaded)

    monkeypatch.setattr(Calls, "make", dies)
    engine.accept(released(lane, first=0.3))

    eventually(statuses, becomes=["accepted", "sending", "accepted"])
    assert (told.events, failures() - before) == (["engine.task_failed"], 1)


def test_a_turn_that_dies_of_a_bug_is_told_of_and_the_next_one_goes_on(
    carrier: Carrier,
    lane: tuple[int, int],
    engine: Engine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages(lane, *phones(2))
    to_claim, before, dies = Slots.to_claim, failures(), iter([True])

    def dying(slots: Slots, instant: float, most: int) -> Any:
        if next(dies, False):
            raise ZeroDivisionError
        return to_claim(slots, instant, most)

    monkeypatch.setattr(Slots, "to_claim", dying)
    engine.accept(released(lane, first=0.3))

    eventually(statuses, becomes=["accepted"] * 2)
    assert (told.events, failures() - before) == (["engine.pump_failed"], 1)


def test_an_engine_with_nothing_to_do_does_nothing_until_a_release_comes(
    carrier: Carrier, lane: tuple[int, int], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_send, turns = Slots.to_send, []

    def counted(slots: Slots, instant: float) -> list[Loaded]:
        turns.append(instant)
        return to_send(slots, instant)

    monkeypatch.setattr(Slots, "to_send", counted)
    assert not ever(lambda: len(turns) > 1, seconds=0.3)  # the turn that was under way

    messages(lane, *phones(1))
    engine.accept(released(lane, first=0.3))

    eventually(statuses, becomes=["accepted"])
    assert len(turns) > 10


def test_a_warm_stop_lets_the_calls_under_way_end_and_writes_down_what_came_of_them(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    carrier.control(latency_ms=1000)
    messages(lane, *phones(3))
    engine.accept(released(lane, first=0.3, apart=0.02))
    eventually(lambda: len(carrier.log()), becomes=3)

    engine.stop(10)

    assert statuses() == ["accepted"] * 3


def test_a_warm_stop_gives_back_what_is_not_claimed_yet(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    messages(lane, *phones(3))
    engine.accept(released(lane, first=20.0))

    engine.stop(10)

    due_now = factories.rows("SELECT id FROM message WHERE status = 'ready' AND due_at <= now()")
    assert (len(due_now), outcomes(), carrier.log()) == (3, [], [])


def test_a_warm_stop_gives_back_what_is_claimed_and_not_written(
    carrier: Carrier, lane: tuple[int, int], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "CLAIM_LEAD", (60.0, 60.0))
    messages(lane, *phones(3))
    engine.accept(released(lane, first=20.0))
    eventually(statuses, becomes=["sending"] * 3)

    engine.stop(10)

    due_now = factories.rows("SELECT id FROM message WHERE status = 'ready' AND due_at <= now()")
    assert (len(due_now), outcomes()) == (3, ["the worker stopped"] * 3)
    assert carrier.log() == []


def test_what_comes_after_the_stop_is_left_to_other_engines(
    carrier: Carrier, lane: tuple[int, int], engine: Engine
) -> None:
    engine.stop(10)
    messages(lane, *phones(2))
    release = released(lane, first=0.3)

    engine.accept(release)

    assert not ever(lambda: statuses() != ["ready"] * 2, seconds=1.0)
    with running_engine() as other:
        factories.change("UPDATE message SET due_at = now()")
        other.accept(released(lane, first=0.3))
        eventually(statuses, becomes=["accepted"] * 2)
    assert len(carrier.log()) == 2


def test_claims_that_fail_in_a_row_are_told_of_once_and_so_is_the_one_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, engine_module)
    nobody: Any = SimpleNamespace()
    engine = Engine(nobody, nobody, nobody)
    tries = []

    def claim(_: object) -> tuple[list[object], list[object]]:
        tries.append(1)
        if len(tries) <= 3:
            raise OperationalError("", None, ConnectionRefusedError())
        return [], []

    monkeypatch.setattr(engine, "_claim_in_thread", claim)

    async def run() -> None:
        engine._loop.close()
        engine._loop = asyncio.get_running_loop()
        for _ in range(5):
            await engine._claim([Due(slot=1.0, message_id=1, due=1)])

    asyncio.run(run())

    assert told.events == ["claim.failed", "claim.works_again"]
    assert told[0][1] == {"error": "OperationalError", "messages": 1}
    assert told.failures("claim.works_again") == 3
