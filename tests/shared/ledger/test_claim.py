"""The claim: who may send what, judged at the last moment."""

import pytest
from sqlalchemy import text

from scheduler.campaigns import lifecycle
from shared.db.session import engine, transaction
from shared.ledger import claim as claiming
from shared.ledger import claim_statements, holds, suppressions
from shared.ledger.campaigns import shut_gate
from shared.ledger.holds import NewHold
from tests.support import factories, ledger
from tests.support.ledger import Scene, Waits, attempts, claim, events, state, until_waiting


def hold(scene: Scene, scope: str, *, subject: str | None = "", seconds: float = 60.0) -> None:
    with transaction() as connection:
        holds.hold(
            connection,
            NewHold(scene.agent, scope, subject, code=1, seconds=seconds, fix="mend it"),  # type: ignore[arg-type]
        )


def suppress(phone: str) -> None:
    with transaction() as connection:
        suppressions.add(connection, [(phone, None)], scope="all", source="test")


def refused(hints: list[tuple[int, int]]) -> list[str]:
    claimed, verdicts = claim(hints)
    assert not claimed
    return [verdict for _, verdict in verdicts]


def test_a_claimed_message_is_sending_under_a_new_token_that_its_attempt_knows(
    scene: Scene,
) -> None:
    wanted = scene.message(phone="+12025550100")

    ((made,), none) = claim(scene.hint())

    row, (attempt,) = state(wanted), attempts(wanted)
    assert not none
    assert (row.status, row.due_at, row.n, row.attempts) == ("sending", None, 1, 1)
    assert row.token == made.token == attempt.token
    assert attempt.sender == made.sender == row.sender
    assert made.sender in scene.senders
    assert (made.phone, made.text, made.parts, made.part) == ("+12025550100", "hello", 1, 0)
    assert attempt.check_at - attempt.claimed_at >= ledger.RECONCILE


def test_a_hint_can_be_used_once(scene: Scene) -> None:
    scene.message()
    hints = scene.hint()
    claim(hints)

    assert claim(hints) == ([], [])


def test_an_older_hint_never_overrides_a_later_decision(scene: Scene) -> None:
    wanted = scene.message()
    old = scene.hint()
    factories.change("UPDATE message SET due_at = due_at + interval '1 hour'")

    assert claim(old) == ([], [])
    assert state(wanted).status == "ready"


def test_a_mutant_claim_that_does_not_look_at_the_hint_would_override_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = scene.message()
    old = scene.hint()
    factories.change("UPDATE message SET due_at = due_at + interval '1 hour'")
    guard = "m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'"
    whole = str(claim_statements.CLAIM)
    assert guard in whole
    monkeypatch.setattr(claiming, "CLAIM", text(whole.replace(guard, "m.due_at IS NOT NULL")))

    claim(old)

    assert state(wanted).status == "sending"


def test_several_claims_of_one_release_take_each_message_once(scene: Scene) -> None:
    wanted = [scene.message() for _ in range(20)]
    hints = scene.hint()

    threads = [Waits(lambda: claim(hints)) for _ in range(4)]
    claimed = [c.message_id for thread in threads for c in thread.join()[0]]

    assert sorted(claimed) == wanted
    assert {len(attempts(m)) for m in wanted} == {1}


def test_a_second_claim_waits_for_the_first_and_finds_nothing(scene: Scene) -> None:
    scene.message()
    hints = scene.hint()
    with engine().connect() as first, engine().connect() as watcher, first.begin():
        taken, _ = claiming.claim(first, hints, by="a", reconcile_after=ledger.RECONCILE)
        second = Waits(lambda: claim(hints))
        until_waiting(watcher)
        first.commit()

    assert len(taken) == 1
    assert second.join() == ([], [])


@pytest.mark.parametrize(
    ("change", "verdict", "status"),
    [
        ("UPDATE campaign SET status = 'cancelled'", "cancelled", "cancelled"),
        ("UPDATE campaign SET send_before = now() - interval '1 s'", "expired", "expired"),
        ("INSERT INTO suppression (phone, source) SELECT phone, 'x' FROM recipient",
         "suppressed", "suppressed"),
        ("UPDATE campaign SET status = 'paused'", "waits", "ready"),
        ("UPDATE campaign SET status = 'finished'", "waits", "ready"),
        ("UPDATE agent SET status = 'paused'", "waits", "ready"),
        ("UPDATE control SET stopped_at = now()", "waits", "ready"),
        ("DELETE FROM sender", "held", "ready"),
    ],
)  # fmt: skip
def test_what_has_changed_since_the_hint_is_settled_by_the_claim(
    scene: Scene, change: str, verdict: str, status: str
) -> None:
    wanted = scene.message()
    hints = scene.hint()
    factories.change(change)

    assert refused(hints) == [verdict]
    row = state(wanted)
    assert (row.status, row.n, row.attempts, row.token) == (status, 0, 0, None)
    assert (row.due_at is None) == (status != "ready")
    assert events(wanted) == ([verdict] if status != "ready" else [])
    assert not attempts(wanted)


def test_a_stop_is_told_before_a_late_hour_and_a_late_hour_before_a_pause(scene: Scene) -> None:
    first, second, third = (scene.message() for _ in range(3))
    hints = scene.hint()
    phone = factories.one(
        "SELECT phone FROM recipient r JOIN message m ON m.recipient_id = r.id WHERE m.id = :id",
        id=second,
    ).phone
    suppress(phone)
    factories.change("UPDATE campaign SET send_before = now(), status = 'paused'")

    claim(hints)

    assert [state(m).status for m in (first, second, third)] == ["expired", "suppressed", "expired"]


@pytest.mark.parametrize("scope", ["agent", "account"])
def test_a_hold_on_the_agent_makes_its_messages_wait_until_its_end(
    scene: Scene, scope: str
) -> None:
    wanted = scene.message()
    hints = scene.hint()
    hold(scene, scope, seconds=3600)

    assert refused(hints) == ["held"]
    found = factories.one(
        "SELECT m.due_at = h.until AS same FROM message m, hold h WHERE m.id = :id", id=wanted
    )
    assert found.same


def test_a_hold_on_a_country_holds_that_country_only(scene: Scene) -> None:
    held = scene.message()
    free = scene.message(
        recipient_id=factories.recipient(scene.campaign, phone="+447700900001", country=44)
    )
    hints = scene.hint()
    hold(scene, "country", subject="+12025550100")

    claimed, verdicts = claim(hints)

    assert [c.message_id for c in claimed] == [free]
    assert verdicts == [(held, "held")]


def test_a_held_sender_leaves_the_pool_and_the_other_speaks(scene: Scene) -> None:
    for _ in range(6):
        scene.message()
    hints = scene.hint()
    hold(scene, "sender", subject=scene.senders[0])

    claimed, _ = claim(hints)

    assert {c.sender for c in claimed} == {scene.senders[1]}


def test_with_every_sender_held_the_messages_wait(scene: Scene) -> None:
    scene.message()
    hints = scene.hint()
    for number in scene.senders:
        hold(scene, "sender", subject=number)

    assert refused(hints) == ["held"]


def test_a_message_keeps_the_sender_of_its_first_part_even_while_it_is_held(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    continued = ledger.apply(ledger.said(first.message_id, first.token, "accepted")).continued
    hold(scene, "sender", subject=first.sender)

    assert refused(continued) == ["held"]
    factories.change("UPDATE hold SET lifted_at = now()")
    second = scene.claim(first.message_id)
    assert (second.sender, second.part, second.text) == (first.sender, 1, "two")


def test_a_message_given_back_before_its_first_part_went_may_change_its_sender(
    scene: Scene,
) -> None:
    first = scene.claimed()
    ledger.give_back(first)
    hold(scene, "sender", subject=first.sender)

    assert scene.claim(first.message_id).sender not in {first.sender, None}


def test_an_agent_without_senders_speaks_through_its_messaging_service(scene: Scene) -> None:
    factories.change("DELETE FROM sender")
    factories.change("UPDATE agent SET messaging_service_sid = 'MG1'")
    scene.message()

    ((made,), _) = claim(scene.hint())

    assert made.sender is None


def test_after_a_pause_has_returned_no_claim_that_had_not_seen_it_commits(scene: Scene) -> None:
    scene.message()
    scene.message()
    first, second = scene.hint(1), scene.hint(1)
    with engine().connect() as claimer, engine().connect() as watcher, claimer.begin():
        taken, _ = claiming.claim(claimer, first, by="a", reconcile_after=ledger.RECONCILE)
        pausing = Waits(lambda: lifecycle.pause(scene.campaign, actor="ann"))
        until_waiting(watcher, 1)
        later = Waits(lambda: claim(second))
        until_waiting(watcher, 2)
        claimer.commit()

    assert len(taken) == 1
    assert pausing.join() == "paused"
    assert [verdict for _, verdict in later.join()[1]] == ["waits"]


def test_a_mutant_pause_without_the_gate_would_return_while_such_a_claim_is_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.message()
    hints = scene.hint()
    monkeypatch.setattr("shared.ledger.campaigns.shut_gate", lambda connection: None)
    with engine().connect() as claimer, claimer.begin():
        taken, _ = claiming.claim(claimer, hints, by="a", reconcile_after=ledger.RECONCILE)
        lifecycle.pause(scene.campaign, actor="ann")
        claimer.commit()

    assert taken
    assert state(taken[0].message_id).status == "sending"


def test_a_worker_frozen_in_mid_claim_holds_up_a_stop_for_a_second_at_most(scene: Scene) -> None:
    scene.message()
    hints = scene.hint()
    with engine().connect() as frozen, frozen.begin():
        claiming.claim(frozen, hints, by="a", reconcile_after=ledger.RECONCILE)
        with transaction() as connection:
            shut_gate(connection)
            assert connection.execute(text("SHOW lock_timeout")).scalar() == "0"
