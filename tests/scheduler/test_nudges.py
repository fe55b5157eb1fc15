"""What becomes due wakes the dispatchers that sleep, wherever they run."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from scheduler import nudges
from scheduler.agents import store
from scheduler.agents.settings import AgentChanges
from scheduler.campaigns import lifecycle, resolve_unknown, stop_sending
from scheduler.campaigns import retry_failed as retry
from scheduler.nudges import Nudges
from scheduler.repair import sweeps
from shared import clock
from shared.db.session import transaction
from shared.ledger import holds
from shared.ledger.holds import NewHold
from shared.throttle.nudge import nudge
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import NUDGES, Tally
from tests.support import factories
from tests.support.ledger import Scene, apply, said

SOON = 20


@pytest.fixture
def listening(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Nudges]]:
    """Makes one that listens; its first wake-up, for what came before, is over."""
    monkeypatch.setattr(nudges, "_SILENT", 0.1)
    monkeypatch.setattr(nudges, "_AGAIN", 0.05)
    over, others = threading.Event(), set(threading.enumerate())

    def make() -> Nudges:
        made = Nudges(redis())
        made.start(over)
        assert made.wait(SOON)
        return made

    yield make
    over.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(SOON)
        assert not thread.is_alive()


def test_a_nudge_wakes_every_dispatcher_that_sleeps(listening: Callable[[], Nudges]) -> None:
    all_of_them = [listening(), listening()]

    nudge()

    assert [one.wait(SOON) for one in all_of_them] == [True, True]


def test_whoever_is_not_nudged_sleeps_on(listening: Callable[[], Nudges]) -> None:
    assert not listening().wait(0.2)


def test_a_nudge_that_came_while_nobody_slept_is_not_lost(listening: Callable[[], Nudges]) -> None:
    one, other = listening(), listening()

    nudge()
    assert other.wait(SOON)

    assert (one.wait(SOON), one.wait(0)) == (True, False)


def test_a_signals_handler_may_wake_the_thread_it_interrupts(database: str) -> None:
    one = Nudges(redis())
    before = signal.signal(signal.SIGUSR1, lambda *_: one.wake())
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert one.wait(SOON)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nudges_are_heard_again_after_redis_has_dropped_the_connection(
    listening: Callable[[], Nudges],
) -> None:
    one = listening()

    redis().client_kill_filter(_type="pubsub")

    # It wakes by itself when it hears again: what was told meanwhile it has missed.
    assert one.wait(SOON)
    assert dict(redis().pubsub_numsub(NUDGES))[NUDGES] >= 1
    nudge()
    assert one.wait(SOON)


def launch() -> None:
    made = factories.campaign(factories.agent(), status="ready", report={"accepted": 1})
    lifecycle.launch(made, actor="ann")


def resume() -> None:
    lifecycle.resume(factories.campaign(factories.agent(), status="paused"), actor="ann")


def retry_failed() -> None:
    scene = Scene()
    sending = scene.claimed()
    apply(said(sending.message_id, sending.token, "failed", error_code=30008))
    assert retry.retry_failed(scene.campaign, actor="ann") == 1


def resend_unknown() -> None:
    scene = Scene()
    scene.message(status="unknown")
    resolve_unknown.resolve_unknown(scene.campaign, "resend", reason="a test", actor="ann")


def start_sending() -> None:
    stop_sending.start_sending(actor="ann")


def activate_agent() -> None:
    Scene()
    name = factories.one("SELECT id FROM agent").id
    store.change(name, AgentChanges(status="active"), actor="ann")


def launch_scheduled() -> None:
    due = clock.now() - timedelta(hours=1)
    report = {"accepted": 1}
    factories.campaign(factories.agent(), status="scheduled", scheduled_at=due, report=report)
    assert lifecycle.launch_scheduled() == 1


def finished_and_goes_on() -> None:
    scene = Scene()
    sending = scene.claimed(parts=("one", "two"))
    factories.change("UPDATE campaign SET status = 'finished'")
    factories.change("UPDATE attempt SET status = 'unknown'")
    factories.change("UPDATE message SET status = 'unknown'")
    apply(said(sending.message_id, sending.token, "accepted"))
    assert factories.one("SELECT status FROM campaign").status == "running"


def lift_holds() -> None:
    agent = factories.agent()
    with transaction() as connection:
        holds.hold(connection, NewHold(agent, "agent", "", 1, 0, "wait"))
    assert sweeps.lift_ended_holds() == 1


@pytest.mark.parametrize(
    "move",
    [
        launch, resume, retry_failed, resend_unknown, start_sending, activate_agent,
        launch_scheduled, lift_holds, finished_and_goes_on,
    ],
)  # fmt: skip
def test_what_makes_messages_due_nudges(database: str, move: Callable[[], None]) -> None:
    before = Tally(redis()).read()

    move()

    assert Tally(redis()).read() != before
