"""The loops that repair: each finds what was lost, mends it, and may run twice at once."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from scheduler import loops
from scheduler.campaigns import status as standing
from scheduler.ingest import uploads
from scheduler.ingest.load import importer as loading
from scheduler.ingest.load.turns import Turn
from scheduler.repair import reconcile, sweeps
from scheduler.timetable import TIMETABLE, Timer
from shared import clock
from shared.db import session
from shared.db.session import transaction
from shared.ledger import holds
from shared.ledger.holds import NewHold
from shared.ledger.repairs import claim_run
from tests.support import factories, ledger
from tests.support.ledger import Scene, Waits, state

HOUR = timedelta(hours=1)


@pytest.fixture
def scene(database: str) -> Scene:
    return Scene()


def status(campaign_id: int) -> str:
    return factories.one("SELECT status FROM campaign WHERE id = :id", id=campaign_id).status


def test_stored_callbacks_nobody_applied_are_applied(scene: Scene) -> None:
    sending = scene.claimed()
    ledger.called_back(sending.message_id, sending.token, "sent")

    assert (sweeps.apply_receipts(), sweeps.apply_receipts()) == (1, 0)
    assert state(sending.message_id).status == "sent"


@pytest.mark.parametrize("left", ["planned", "ready", "sending"])
def test_a_campaign_with_something_left_is_not_finished(scene: Scene, left: str) -> None:
    scene.message(status="delivered")
    scene.message(status=left)

    assert sweeps.finish() == 0


@pytest.mark.parametrize("end", ["accepted", "delivered", "failed", "suppressed", "unknown"])
@pytest.mark.parametrize("before", ["running", "paused"])
def test_a_campaign_with_nothing_left_is_finished(scene: Scene, end: str, before: str) -> None:
    scene.message(status=end)
    factories.change("UPDATE campaign SET status = :s", s=before)

    assert (sweeps.finish(), sweeps.finish()) == (1, 0)
    assert status(scene.campaign) == "finished"


def test_unsent_rows_of_a_cancelled_campaign_are_cancelled(scene: Scene) -> None:
    other = Scene()
    left, planned, kept = scene.message(), scene.message(status="planned"), other.message()
    factories.change("UPDATE campaign SET status = 'cancelled' WHERE id = :id", id=scene.campaign)

    assert (sweeps.cancel_unsent(), sweeps.cancel_unsent()) == (2, 0)
    assert [state(m).status for m in (left, planned, kept)] == ["cancelled", "cancelled", "ready"]


@pytest.mark.parametrize("paused", ["running", "paused"])
def test_rows_past_send_before_expire_paused_or_not(scene: Scene, paused: str) -> None:
    late, sending = scene.message(), scene.claimed()
    factories.change("UPDATE campaign SET send_before = now(), status = :s", s=paused)

    assert (sweeps.expire(), sweeps.expire()) == (1, 0)
    assert (state(late).status, state(sending.message_id).status) == ("expired", "sending")


def test_a_row_with_time_left_does_not_expire(scene: Scene) -> None:
    scene.message()
    factories.change("UPDATE campaign SET send_before = now() + interval '1 h'")

    assert sweeps.expire() == 0


def draft(agent: int, content: bytes, **columns: Any) -> int:
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [content])
    return factories.campaign(agent, status="draft", upload_id=upload_id, **columns)


def test_an_import_whose_importer_died_is_taken_up(scene: Scene) -> None:
    made = draft(scene.agent, b"phone\n+12025550100\n")
    factories.change("UPDATE upload SET lease_until = now() - interval '1 s'")

    assert (sweeps.resume_imports(), sweeps.resume_imports()) == (1, 0)
    assert status(made) == "ready"


def test_an_import_that_has_just_been_asked_for_is_left_to_its_job(scene: Scene) -> None:
    made = draft(scene.agent, b"phone\n+12025550100\n")
    left = sweeps.resume_imports()

    factories.change(
        "UPDATE campaign SET created_at = now() - interval '11 s' WHERE id = :id", id=made
    )

    assert (left, sweeps.resume_imports()) == (0, 1)


def test_files_that_cannot_be_imported_do_not_hold_up_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = draft(scene.agent, b"phone\n+12025550100\n")
    unreadable = draft(scene.agent, b"PK\x03\x04 no workbook")
    good = draft(scene.agent, b"phone\n+12025550101\n")
    factories.change("UPDATE upload SET lease_until = now() - interval '1 s'")
    load = sweeps.load  # type: ignore[attr-defined]

    def fails(campaign_id: int, turn: Turn) -> bool:
        if campaign_id == broken:
            raise ZeroDivisionError
        return load(campaign_id, turn)

    monkeypatch.setattr(sweeps, "load", fails)

    assert sweeps.resume_imports() == 1
    assert [status(c) for c in (broken, unreadable, good)] == ["draft", "cancelled", "ready"]


def test_a_recipient_without_a_message_gets_one_to_be_worded(scene: Scene) -> None:
    factories.change("UPDATE campaign SET report = '{\"accepted\": 2}'")
    scene.message()
    missing = factories.recipient(scene.campaign)

    assert (sweeps.fill_holes(), sweeps.fill_holes()) == (1, 0)

    found = factories.one("SELECT * FROM message WHERE recipient_id = :id", id=missing)
    assert (found.status, found.agent_key) == ("planned", scene.agent)


def hold(scene: Scene, seconds: int | None) -> None:
    with transaction() as connection:
        holds.hold(connection, NewHold(scene.agent, "agent", "", 1, seconds, "wait"))


def open_holds() -> int:
    return factories.one("SELECT count(*) AS n FROM hold WHERE lifted_at IS NULL").n


def test_a_hold_is_lifted_at_its_end_and_not_before(scene: Scene) -> None:
    hold(scene, 3600)
    early = sweeps.lift_ended_holds()

    factories.change("UPDATE hold SET until = now() - interval '1 s'")

    assert (early, sweeps.lift_ended_holds(), open_holds()) == (0, 1, 0)


def test_a_hold_without_an_end_waits_for_a_person(scene: Scene) -> None:
    hold(scene, None)
    waiting = scene.message()
    factories.change("UPDATE message SET due_at = now() + interval '1 h'")

    assert (sweeps.lift_ended_holds(), open_holds()) == (0, 1)
    with transaction() as connection:
        holds.lift_holds(connection, scene.agent)
    assert open_holds() == 0
    assert state(waiting).due_at <= clock.now() + timedelta(seconds=5)


def test_old_idempotent_answers_are_forgotten(scene: Scene) -> None:
    factories.change(
        "INSERT INTO idempotent_answer (key, route, request_hash, created_at) VALUES "
        "('old', 'r', '', now() - interval '25 h'), ('new', 'r', '', now())"
    )

    sweeps.forget()

    assert [r.key for r in factories.rows("SELECT key FROM idempotent_answer")] == ["new"]


def test_an_account_that_agents_left_is_kept_as_long_as_its_calls_are_asked_about(
    scene: Scene,
) -> None:
    factories.change(
        "INSERT INTO former_account (account, credentials, replaced_at) VALUES "
        "('old', 'x', now() - interval '73 h'), ('new', 'x', now() - :asked)",
        asked=reconcile.GIVE_UP_AFTER,
    )

    sweeps.forget()

    assert [r.account for r in factories.rows("SELECT account FROM former_account")] == ["new"]


@pytest.mark.parametrize("timer", TIMETABLE, ids=lambda timer: timer.name)
def test_every_loop_may_run_several_times_at_once_on_a_ledger_full_of_trouble(
    scene: Scene, timer: Timer
) -> None:
    trouble(scene)

    for thread in [Waits(timer.run) for _ in range(3)]:
        thread.join()

    counted = factories.rows(
        "SELECT status, sum(messages) AS n FROM campaign_count GROUP BY status "
        "HAVING sum(messages) <> 0 ORDER BY status"
    )
    assert counted == factories.rows(
        "SELECT status, count(*) AS n FROM message WHERE latest GROUP BY status ORDER BY status"
    )


def test_two_schedulers_may_sweep_everything_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They meet in the ledger; that a child's program starts is not what they are waited for.
    monkeypatch.setattr(sweeps, "load", loading.load)
    trouble(scene)

    both = [thread.join() for thread in [Waits(loops.run_all) for _ in range(2)]]

    assert both == [[timer.name for timer in TIMETABLE]] * 2
    counted = factories.rows(
        "SELECT status, sum(messages) AS n FROM campaign_count GROUP BY status "
        "HAVING sum(messages) <> 0 ORDER BY status"
    )
    assert counted == factories.rows(
        "SELECT status, count(*) AS n FROM message WHERE latest GROUP BY status ORDER BY status"
    )
    assert factories.rows("SELECT * FROM callback WHERE NOT applied") == []
    assert factories.rows("SELECT * FROM campaign WHERE status IN ('draft', 'scheduled')") == []
    assert factories.rows("SELECT * FROM event WHERE kind = 'duplicate'") == []


def trouble(scene: Scene) -> None:
    """A little of everything that the loops look for."""
    late, stopped, done = Scene(send_before=clock.now()), Scene(), Scene()
    for _ in range(5):
        late.message()
        stopped.message()
        done.message(status="delivered")
        sending = scene.claimed()
        ledger.called_back(sending.message_id, sending.token, "sent")
    factories.change("UPDATE campaign SET status = 'cancelled' WHERE id = :id", id=stopped.campaign)
    passed, report = clock.now() - HOUR, {"accepted": 1}
    factories.campaign(scene.agent, status="scheduled", scheduled_at=passed, report=report)
    draft(scene.agent, b"phone\n+12025550100\n", created_at=clock.now() - HOUR)
    hold(done, 0)


def test_a_loop_runs_once_in_its_period_whoever_starts_it(database: str) -> None:
    runs = []
    timer = Timer("sample", 60, lambda: runs.append(1), "a test")

    first = loops.run(timer, least=30)
    second = loops.run(timer, least=30)
    by_hand = loops.run(timer, least=0)

    assert (first, second, by_hand, len(runs)) == (True, False, True, 2)


def test_of_several_schedulers_one_runs_the_loop(database: str) -> None:
    def mine() -> bool:
        with transaction() as connection:
            return claim_run(connection, "sample", least=30)

    won = [thread.join() for thread in [Waits(mine) for _ in range(5)]]

    assert sorted(won) == [False] * 4 + [True]


def test_a_scheduler_that_freezes_while_it_claims_a_loop_does_not_stop_it_for_the_others(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FROZEN_AFTER", "1h")  # that rule would mend it, too late
    claimed, thaws = threading.Event(), threading.Event()

    def freezes(*given: Any, **more: Any) -> bool:
        won = claim_run(*given, **more)
        claimed.set()
        thaws.wait(30)
        return won

    timer = Timer("sample", 60, lambda: None, "a test")
    with monkeypatch.context() as patch:
        patch.setattr(loops, "claim_run", freezes)
        frozen = Waits(lambda: loops.run(timer, least=0))
        claimed.wait(20)

    ran = Waits(lambda: loops.run(timer, least=0)).join()
    thaws.set()

    assert (ran, frozen.join()) == (True, True)


def test_a_loop_that_fails_does_not_die_of_it_and_is_due_again(database: str) -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    assert loops.run(Timer("sample", 60, breaks, "a test"), least=0)
    assert loops.run(Timer("sample", 60, breaks, "a test"), least=0)


def test_the_whole_sweep_by_hand_needs_no_broker(scene: Scene) -> None:
    trouble(scene)

    ran = loops.run_all()

    assert ran == [timer.name for timer in TIMETABLE]
    assert factories.rows("SELECT * FROM callback WHERE NOT applied") == []
    assert standing.sending().stopped is False
