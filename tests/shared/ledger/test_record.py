"""What the worker and the reconciler record of a call that was not accepted."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from shared.db.session import engine
from shared.ledger import evidence, record
from shared.ledger.record import MOST_ATTEMPTS
from tests.support import factories, ledger
from tests.support.ledger import (
    Scene,
    Waits,
    apply,
    attempts,
    doubt,
    give_back,
    park,
    proved_not_gone,
    refuse,
    said,
    state,
    until_waiting,
)

SUPPRESS = "INSERT INTO suppression (phone, source) SELECT phone, 'x' FROM recipient"


def seconds_until_due(message_id: int) -> float:
    query = "SELECT extract(epoch FROM due_at - now())::float AS left FROM message WHERE id = :id"
    return factories.one(query, id=message_id).left


def test_what_was_not_written_goes_back_to_ready_and_costs_no_attempt(scene: Scene) -> None:
    sending = scene.claimed()

    became = give_back(sending, "throttled", after=20, error_code=20429, sentence="busy")

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert became == [(sending.message_id, "ready")]
    assert (row.status, row.attempts, row.n, row.error_code) == ("ready", 0, 1, 20429)
    assert (attempt.status, attempt.outcome, attempt.check_at) == ("returned", "throttled", None)
    assert 10 < seconds_until_due(sending.message_id) <= 20


@pytest.mark.parametrize(
    ("change", "became"),
    [
        ("UPDATE campaign SET status = 'cancelled'", "cancelled"),
        ("UPDATE campaign SET send_before = now() - interval '1 s'", "expired"),
        (SUPPRESS, "suppressed"),
        ("UPDATE campaign SET status = 'paused'", "ready"),
        ("UPDATE control SET stopped_at = now()", "ready"),
    ],
)
def test_what_it_has_become_meanwhile_counts_when_it_comes_back(
    scene: Scene, change: str, became: str
) -> None:
    sending = scene.claimed()
    factories.change(change)

    assert give_back(sending) == [(sending.message_id, became)]


@pytest.mark.parametrize("outcome", [give_back, refuse, park, doubt])
def test_an_outcome_under_another_token_changes_nothing(
    scene: Scene, outcome: Callable[..., Any]
) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)

    outcome(first)

    row = state(first.message_id)
    assert (row.status, row.token) == ("sending", second.token)
    assert [a.status for a in attempts(first.message_id)] == ["returned", "sending"]


@pytest.mark.parametrize(("statement", "outcome"), [("_RETURN", give_back), ("_REFUSE", refuse)])
def test_a_mutant_that_does_not_look_at_the_token_would_touch_the_newer_call(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, statement: str, outcome: Callable[..., Any]
) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    scene.claim(first.message_id)
    whole = str(getattr(record, statement))
    assert "m.token = g.token AND" in whole
    unguarded = whole.replace("m.token = g.token AND", "").replace(
        "held.token", "(SELECT m.token FROM message m WHERE m.id = held.id)"
    )
    monkeypatch.setattr(record, statement, text(unguarded))

    outcome(first)

    assert state(first.message_id).status != "sending"


@pytest.mark.parametrize("outcome", [give_back, refuse, park, doubt, proved_not_gone])
@pytest.mark.parametrize("known", ["accepted", "delivered"])
def test_a_record_that_comes_after_evidence_never_lowers(
    scene: Scene, outcome: Callable[..., Any], known: str
) -> None:
    sending = scene.claimed()
    apply(said(sending.message_id, sending.token, known))

    outcome(sending)

    assert state(sending.message_id).status == known
    assert attempts(sending.message_id)[0].status == known


@pytest.mark.parametrize("outcome", [give_back, refuse, park])
def test_a_record_that_waits_for_evidence_under_way_sees_it(
    scene: Scene, outcome: Callable[..., Any]
) -> None:
    sending = scene.claimed()
    with engine().connect() as open_, engine().connect() as watcher, open_.begin():
        proof = said(sending.message_id, sending.token, "sent")
        evidence.apply(open_, [proof], poll_after=ledger.POLL)
        recording = Waits(lambda: outcome(sending))
        until_waiting(watcher)
        open_.commit()
    recording.join()

    assert state(sending.message_id).status == "sent"
    assert attempts(sending.message_id)[0].status == "sent"


def test_after_three_calls_proved_not_gone_it_has_failed(scene: Scene) -> None:
    sending = scene.claimed()
    seen = []

    for _ in range(MOST_ATTEMPTS):
        seen += [status for _, status in proved_not_gone(sending)]
        if seen[-1] == "ready":
            sending = scene.claim(sending.message_id)

    row = state(sending.message_id)
    assert seen == ["ready", "ready", "failed"]
    assert (row.status, row.due_at, row.attempts) == ("failed", None, 3)


def test_calls_that_were_never_written_do_not_bring_a_message_nearer_to_failing(
    scene: Scene,
) -> None:
    sending = scene.claimed()
    for _ in range(5):
        give_back(sending, "fence")
        sending = scene.claim(sending.message_id)

    assert proved_not_gone(sending) == [(sending.message_id, "ready")]
    assert (state(sending.message_id).attempts, state(sending.message_id).n) == (1, 6)


def test_each_part_has_three_calls_of_its_own(scene: Scene) -> None:
    sending = scene.claimed(parts=("one ", "two ", "three"))
    proved_not_gone(sending)
    sending = scene.claim(sending.message_id)
    for _ in range(2):
        apply(said(sending.message_id, sending.token, "accepted"))
        sending = scene.claim(sending.message_id)

    assert proved_not_gone(sending) == [(sending.message_id, "ready")]


def test_a_refusal_for_good_fails_the_message_with_the_providers_reason(scene: Scene) -> None:
    sending = scene.claimed()

    assert refuse(sending, 21211) == [sending.message_id]

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert (row.status, row.error_code, row.error_message) == ("failed", 21211, "refused")
    assert (attempt.status, attempt.outcome, attempt.check_at) == ("failed", "rejected", None)


def test_an_opt_out_the_provider_tells_us_of_becomes_a_suppression(scene: Scene) -> None:
    sending = scene.claimed(phone="+12025550100")

    refuse(sending, 21610, suppress=True)

    (kept,) = factories.rows("SELECT phone, scope, source FROM suppression")
    assert kept == ("+12025550100", "all", "provider")


def test_two_refusals_for_one_number_make_one_suppression(scene: Scene) -> None:
    pair = [scene.claimed(phone="+12025550100") for _ in range(2)]

    for one in pair:
        refuse(one, 21610, suppress=True)

    assert len(factories.rows("SELECT * FROM suppression")) == 1


def test_a_doubtful_call_stays_sending_and_will_be_looked_at(scene: Scene) -> None:
    sending = scene.claimed()

    doubt(sending)

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert (row.status, row.attempts) == ("sending", 1)
    assert (attempt.status, attempt.outcome) == ("sending", "ambiguous")
    assert attempt.check_at is not None


def test_what_nobody_can_prove_is_parked_and_visible(scene: Scene) -> None:
    sending = scene.claimed()

    assert park(sending) == [sending.message_id]

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert (row.status, row.due_at) == ("unknown", None)
    assert (attempt.status, attempt.check_at) == ("unknown", None)


def test_a_worker_that_wakes_late_and_wrote_nothing_takes_its_message_out_of_unknown(
    scene: Scene,
) -> None:
    sending = scene.claimed()
    park(sending)
    factories.change("UPDATE campaign SET status = 'finished', finished_at = now()")

    give_back(sending, "fence")

    assert state(sending.message_id).status == "ready"
    campaign = factories.one("SELECT * FROM campaign")
    assert (campaign.status, campaign.finished_at) == ("running", None)


def test_nothing_to_record_is_no_statement(scene: Scene) -> None:
    with engine().connect() as connection:
        assert record.give_back(connection, []) == []
        assert record.refuse(connection, []) == []
        assert record.park(connection, []) == []
        record.doubt(connection, [])
        assert not connection.in_transaction()
