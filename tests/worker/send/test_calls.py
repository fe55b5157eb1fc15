"""What becomes of a call that could not be written, and what it says about the pace."""

import asyncio
import time
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from shared.ledger.claim import Claimed
from shared.ledger.evidence import Evidence
from shared.ledger.record import Return
from shared.providers.base import Accepted
from shared.providers.transport.pool import NoConnection
from tests.support.environment import environment
from worker.send import calls
from worker.send.calls import Calls
from worker.send.engine import Engine
from worker.send.slots import Loaded

ROUTE = SimpleNamespace(
    agent=SimpleNamespace(key=1, id="ann", provider="twilio", account="AC1", sender_pool=None),
    campaign=SimpleNamespace(options={}, send_before=None),
    credentials="of the account",
)


class Recorded(list[Any]):
    """A recorder that only remembers."""

    def put(self, outcome: object, _campaign_id: int) -> None:
        self.append(outcome)


def loaded(*, unready: bool = False) -> Loaded:
    claimed = Claimed(1, 1, 1, 0, uuid.uuid4(), "+12025550123", "+14155550001", "hi", 1)
    return Loaded(claimed, claimed_at=time.monotonic(), slot=1.0, unready=unready)


def call(monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[Loaded, bool, Recorded]:
    """One call through an adapter that fails like this: (message, whether it is dealt with, what
    was recorded).
    """

    async def send(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(calls, "adapter_for", lambda *_: SimpleNamespace(send=send))
    directory: Any = SimpleNamespace(route=lambda _: ROUTE)
    pace: Any = SimpleNamespace()
    recorded: Any = Recorded()
    one = loaded()
    made = Calls(routes=directory, pace=pace, recorder=recorded)
    with environment(public_url="https://sms.example.org"):
        return one, asyncio.run(made.make(one)), recorded


def test_a_message_whose_connection_is_being_opened_takes_another_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, dealt_with, recorded = call(monkeypatch, NoConnection("not yet"))

    assert (dealt_with, one.unready, recorded) == (False, True, [])


@pytest.mark.parametrize(
    ("account", "went"), [("twilio:AC1", True), (None, True), ("twilio:AC2", False)]
)
def test_a_call_is_written_only_with_the_account_that_its_attempt_names(
    monkeypatch: pytest.MonkeyPatch, account: str | None, went: bool
) -> None:
    async def send(*_: object, gate: Any, **__: object) -> Accepted:
        gate()
        return Accepted("SM1", "accepted", 1)

    monkeypatch.setattr(calls, "adapter_for", lambda *_: SimpleNamespace(send=send))
    route = SimpleNamespace(**vars(ROUTE) | {"account": "twilio:AC1"})
    recorded: Any = Recorded()
    pace: Any = SimpleNamespace(went=lambda _: None)
    directory: Any = SimpleNamespace(route=lambda _: route)
    one = loaded()
    one.claimed, one.slot = replace(one.claimed, account=account), None

    with environment(public_url="https://sms.example.org"):
        made = Calls(routes=directory, pace=pace, recorder=recorded)
        assert asyncio.run(made.make(one))

    (outcome,) = recorded
    assert isinstance(outcome, Evidence if went else Return)


def test_a_message_whose_provider_cannot_be_reached_waits_seconds_not_slots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, dealt_with, recorded = call(monkeypatch, NoConnection("refused", failing=True))

    (given_back,) = recorded
    assert dealt_with
    assert isinstance(given_back, Return) and given_back.after >= 1


@pytest.mark.parametrize("unready", [False, True])
def test_only_what_was_not_ready_in_time_asks_for_fewer_slots(unready: bool) -> None:
    nobody: Any = SimpleNamespace()
    engine = Engine(nobody, nobody, nobody)

    engine._missed(loaded(unready=unready))
    engine._loop.close()

    assert engine._pace.has_unreported is not unready
