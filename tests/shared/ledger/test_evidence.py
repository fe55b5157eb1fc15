"""Evidence: a 201, a callback, a listing or a poll. It only raises, and only its own attempt."""

import random
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.db.session import engine, transaction
from shared.domain.message import RANK
from shared.ledger import evidence, evidence_statements, parts
from shared.ledger.claim import Claimed
from shared.ledger.evidence import Applied
from tests.support import factories, ledger
from tests.support.ledger import (
    Scene,
    Waits,
    apply,
    attempts,
    events,
    give_back,
    park,
    proved_not_gone,
    refuse,
    said,
    state,
    until_waiting,
)


def test_a_201_makes_the_message_accepted_and_binds_its_sid(scene: Scene) -> None:
    sending = scene.claimed()

    applied = apply(said(sending.message_id, sending.token, "accepted", sid="SM1", source="answer"))

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert (applied.raised, applied.continued, applied.duplicates) == (1, [], [])
    assert (row.status, row.due_at, row.sent_at is None) == ("accepted", None, False)
    assert (attempt.sid, attempt.status, attempt.outcome) == ("SM1", "accepted", "accepted")
    assert attempt.check_at - attempt.recorded_at > ledger.POLL / 2


def test_a_callback_before_the_claims_record_binds_and_the_record_only_fills_gaps(
    scene: Scene,
) -> None:
    sending = scene.claimed()

    apply(said(sending.message_id, sending.token, "delivered", sid="SM1"))
    apply(said(sending.message_id, sending.token, "accepted", sid="SM1", source="answer"))

    row, (attempt,) = state(sending.message_id), attempts(sending.message_id)
    assert (row.status, attempt.status, attempt.sid) == ("delivered", "delivered", "SM1")
    assert row.delivered_at is not None
    assert attempt.check_at is None


@pytest.mark.parametrize("order", list(permutations(["accepted", "sent", "delivered"])))
def test_receipts_end_the_same_in_any_order_and_twice(
    scene: Scene, order: tuple[str, str, str]
) -> None:
    sending = scene.claimed()
    seen = []

    for status in [*order, *order]:
        apply(said(sending.message_id, sending.token, status))
        seen.append(RANK[state(sending.message_id).status])

    assert state(sending.message_id).status == "delivered"
    assert seen == sorted(seen)


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "undelivered"])))
def test_of_two_contradictory_ends_the_first_stays(
    scene: Scene, order: tuple[str, str, str]
) -> None:
    sending = scene.claimed()

    for status in order:
        apply(said(sending.message_id, sending.token, status, error_code=30003))

    assert state(sending.message_id).status == next(s for s in order if s != "sent")


def test_receipts_of_one_batch_count_as_if_they_came_one_by_one(scene: Scene) -> None:
    sending = scene.claimed()

    apply(*(said(sending.message_id, sending.token, s) for s in ("delivered", "accepted", "sent")))

    assert state(sending.message_id).status == "delivered"


def test_the_end_says_why(scene: Scene) -> None:
    sending = scene.claimed()

    apply(said(sending.message_id, sending.token, "undelivered", error_code=30003, sentence="off"))

    row = state(sending.message_id)
    assert (row.status, row.error_code, row.error_message) == ("undelivered", 30003, "off")


def test_a_forged_token_changes_nothing(scene: Scene) -> None:
    sending, other = scene.claimed(), scene.claimed()

    applied = apply(said(sending.message_id, other.token, "delivered"))

    assert applied.raised == 0
    assert state(sending.message_id).status == state(other.message_id).status == "sending"


def test_a_sid_that_is_bound_elsewhere_is_no_evidence(scene: Scene) -> None:
    first, second = scene.claimed(), scene.claimed()
    apply(said(first.message_id, first.token, "accepted", sid="SM1"))

    apply(said(second.message_id, second.token, "delivered", sid="SM1"))

    assert state(second.message_id).status == "sending"


def test_a_mutant_that_does_not_look_for_the_sid_elsewhere_would_stop_the_whole_batch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = scene.claimed(), scene.claimed()
    apply(said(first.message_id, first.token, "accepted", sid="SM1"))
    whole = str(evidence_statements.APPLY)
    assert "b.sid = g.sid" in whole
    monkeypatch.setattr(evidence, "APPLY", text(whole.replace("b.sid = g.sid", "false")))

    with pytest.raises(IntegrityError):
        apply(said(second.message_id, second.token, "delivered", sid="SM1"))


def test_an_attempt_keeps_the_sid_it_was_bound_to(scene: Scene) -> None:
    sending = scene.claimed()
    apply(said(sending.message_id, sending.token, "accepted", sid="SM1"))

    apply(said(sending.message_id, sending.token, "delivered", sid="SM2"))

    assert state(sending.message_id).status == "accepted"
    assert [a.sid for a in attempts(sending.message_id)] == ["SM1"]


def test_one_sid_for_two_attempts_in_the_same_instant_is_an_error_not_a_double_binding(
    scene: Scene,
) -> None:
    first, second = scene.claimed(), scene.claimed()

    with pytest.raises(IntegrityError):
        apply(*(said(m.message_id, m.token, "accepted", sid="SM1") for m in (first, second)))

    assert state(first.message_id).status == state(second.message_id).status == "sending"


@pytest.mark.parametrize("stopped", ["unknown", "cancelled", "expired", "suppressed", "failed"])
@pytest.mark.parametrize("proof", ["accepted", "sent", "delivered", "undelivered"])
def test_evidence_beats_every_state_reached_without_it(
    scene: Scene, stopped: str, proof: str
) -> None:
    sending = scene.claimed()
    if stopped == "unknown":
        park(sending)
    else:
        give_back(sending)
        factories.change("UPDATE message SET status = :s, due_at = NULL", s=stopped)

    apply(said(sending.message_id, sending.token, proof))

    assert state(sending.message_id).status == proof


def test_evidence_about_an_attempt_that_was_given_back_is_taken_instead_of_sending_again(
    scene: Scene,
) -> None:
    sending = scene.claimed()
    proved_not_gone(sending)
    hints = scene.hint()

    applied = apply(said(sending.message_id, sending.token, "sent"))

    row = state(sending.message_id)
    assert (row.status, row.due_at) == ("sent", None)
    assert not applied.duplicates
    assert ledger.claim(hints) == ([], [])


def test_a_refusal_for_good_is_not_overturned_by_a_receipt(scene: Scene) -> None:
    sending = scene.claimed()
    refuse(sending)

    apply(said(sending.message_id, sending.token, "delivered"))

    assert state(sending.message_id).status == "failed"


@pytest.mark.parametrize("source", ["callback", "answer"])
def test_a_superseded_attempt_that_went_after_all_is_an_incident_and_changes_nothing(
    scene: Scene, source: str
) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)

    applied = apply(said(first.message_id, first.token, "accepted", sid="SM1", source=source))

    row = state(first.message_id)
    assert (row.status, row.token) == ("sending", second.token)
    assert applied.duplicates == [first.message_id]
    assert events(first.message_id) == ["duplicate"]
    assert [a.sid for a in attempts(first.message_id)] == ["SM1", None]


def test_a_mutant_that_does_not_look_for_a_newer_call_would_call_that_one_accepted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    scene.claim(first.message_id)
    whole = str(evidence_statements.APPLY)
    assert "NOT k.superseded AND" in whole
    monkeypatch.setattr(evidence, "APPLY", text(whole.replace("NOT k.superseded AND", "")))

    apply(said(first.message_id, first.token, "accepted"))

    assert state(first.message_id).status == "accepted"


def test_a_superseded_attempts_receipts_never_touch_the_newer_one(scene: Scene) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)
    apply(said(first.message_id, first.token, "accepted"))
    apply(said(second.message_id, second.token, "sent"))

    apply(said(first.message_id, first.token, "delivered"))

    assert state(first.message_id).status == "sent"
    assert [a.status for a in attempts(first.message_id)] == ["delivered", "sent"]
    assert events(first.message_id) == ["duplicate"]


def test_a_newer_attempt_that_provably_did_not_go_supersedes_nothing(scene: Scene) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    give_back(scene.claim(first.message_id), "throttled")

    applied = apply(said(first.message_id, first.token, "sent"))

    assert state(first.message_id).status == "sent"
    assert (applied.duplicates, events(first.message_id)) == ([], [])


def test_a_newer_attempt_given_back_after_that_takes_the_evidence_instead_of_being_sent(
    scene: Scene,
) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)
    apply(said(first.message_id, first.token, "sent"))

    became = give_back(second, "throttled")

    row = state(first.message_id)
    assert became == [(first.message_id, "sent")]
    assert (row.status, row.due_at) == ("sent", None)


def test_both_attempts_having_gone_the_message_never_falls_back(scene: Scene) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)
    give_back(second, "fence")
    apply(said(first.message_id, first.token, "delivered"))

    applied = apply(said(second.message_id, second.token, "accepted"))
    apply(said(second.message_id, second.token, "sent"))

    assert state(first.message_id).status == "delivered"
    assert applied.duplicates == [first.message_id]
    assert events(first.message_id) == ["duplicate"]


def test_both_attempts_told_of_in_one_batch_are_one_incident(scene: Scene) -> None:
    first = scene.claimed()
    proved_not_gone(first)
    second = scene.claim(first.message_id)
    give_back(second, "fence")

    apply(*(said(m.message_id, m.token, "accepted") for m in (first, second)))

    assert state(first.message_id).status == "accepted"
    assert events(first.message_id) == ["duplicate"]


# -- several parts -------------------------------------------------------------------------------


def test_the_next_part_is_due_at_once_when_the_one_before_is_accepted(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))

    applied = apply(said(first.message_id, first.token, "accepted"))

    row = state(first.message_id)
    assert (row.status, row.part) == ("ready", 1)
    ((second,), _) = ledger.claim(applied.continued)
    assert (second.part, second.text, second.sender) == (1, "two", first.sender)


def test_a_message_is_accepted_when_all_parts_are_and_ends_as_the_worst(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    apply(said(first.message_id, first.token, "sent"))
    second = scene.claim(first.message_id)
    seen = []

    for one, status in [
        (second, "accepted"), (first, "delivered"), (second, "sent"), (second, "undelivered"),
    ]:  # fmt: skip
        apply(said(one.message_id, one.token, status, error_code=30003))
        seen.append(state(first.message_id).status)

    assert seen == ["accepted", "accepted", "sent", "undelivered"]
    assert state(first.message_id).error_code == 30003


def test_a_failed_part_stops_the_later_ones(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    apply(said(first.message_id, first.token, "accepted"))
    hints = scene.hint()

    apply(said(first.message_id, first.token, "undelivered"))

    assert state(first.message_id).status == "undelivered"
    assert ledger.claim(hints) == ([], [])


def test_a_failed_part_waits_for_the_call_under_way(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    apply(said(first.message_id, first.token, "accepted"))
    second = scene.claim(first.message_id)
    seen = []

    for one, status in [(first, "undelivered"), (second, "accepted"), (second, "delivered")]:
        apply(said(one.message_id, one.token, status))
        seen.append(state(first.message_id).status)

    assert seen == ["sending", "accepted", "undelivered"]


def test_a_part_given_back_is_not_sent_again_behind_one_that_failed_meanwhile(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    apply(said(first.message_id, first.token, "accepted"))
    second = scene.claim(first.message_id)
    apply(said(first.message_id, first.token, "undelivered"))

    assert give_back(second, "throttled") == [(first.message_id, "undelivered")]


def test_evidence_that_leaves_parts_to_send_makes_a_finished_campaign_run_again(
    scene: Scene,
) -> None:
    first = scene.claimed(parts=("one ", "two"))
    park(first)
    factories.change("UPDATE campaign SET status = 'finished', finished_at = now()")

    apply(said(first.message_id, first.token, "sent"))

    campaign = factories.one("SELECT * FROM campaign")
    assert (campaign.status, campaign.finished_at) == ("running", None)
    assert state(first.message_id).status == "ready"


def test_a_late_part_does_not_revive_a_cancelled_message(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two"))
    factories.change("UPDATE campaign SET status = 'cancelled'")
    give_back(first)

    apply(said(first.message_id, first.token, "accepted"))

    assert (state(first.message_id).status, state(first.message_id).part) == ("cancelled", 1)


# -- at the same time ----------------------------------------------------------------------------


def overlapping(one: Claimed, first: str, second: str) -> None:
    """`second` is applied while the transaction of `first` is open."""
    with engine().connect() as open_, engine().connect() as watcher, open_.begin():
        evidence.apply(open_, [said(one.message_id, one.token, first)], poll_after=ledger.POLL)
        waiting = Waits(lambda: apply(said(one.message_id, one.token, second)))
        until_waiting(watcher)
        open_.commit()
    waiting.join()


@pytest.mark.parametrize(("first", "second"), [("delivered", "sent"), ("sent", "accepted")])
def test_of_two_transactions_at_once_the_lower_evidence_never_wins(
    scene: Scene, first: str, second: str
) -> None:
    sending = scene.claimed()

    overlapping(sending, first, second)

    assert state(sending.message_id).status == first
    assert attempts(sending.message_id)[0].status == first


def test_a_mutant_that_does_not_take_the_messages_first_would_let_it_win(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = scene.claimed()
    locked_here = "(SELECT * FROM message WHERE id IN (SELECT id FROM given) FOR UPDATE) m"
    in_one_statement = str(evidence_statements.APPLY).replace(
        "JOIN message m", f"JOIN {locked_here}"
    )
    monkeypatch.setattr(parts, "lock", lambda connection, ids: None)
    monkeypatch.setattr(evidence, "APPLY", text(in_one_statement))

    overlapping(sending, "delivered", "sent")

    assert attempts(sending.message_id)[0].status == "sent"


def test_a_record_and_a_drain_that_overlap_in_opposite_orders_do_not_deadlock(scene: Scene) -> None:
    sending = [scene.claimed() for _ in range(30)]
    proofs = [said(m.message_id, m.token, s) for m in sending for s in ("accepted", "sent")]

    def some(seed: int) -> Applied:
        mixed = random.Random(seed).sample(proofs, len(proofs))
        with transaction() as connection:  # a deadlock would not be run again here
            return evidence.apply(connection, mixed, poll_after=ledger.POLL)

    for thread in [Waits(lambda seed=seed: some(seed)) for seed in range(6)]:  # type: ignore[misc]
        thread.join()

    assert {state(m.message_id).status for m in sending} == {"sent"}


# -- any history ---------------------------------------------------------------------------------

MOVES = ["claim", "give back", "prove", "park", "refuse"] + ["evidence"] * 5
STEP = st.tuples(
    st.sampled_from(MOVES),
    st.integers(0, 5),
    st.sampled_from(["accepted", "sent", "delivered", "undelivered"]),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 3), st.lists(STEP, min_size=5, max_size=25))
def test_whatever_happens_a_message_moves_by_the_table_and_no_attempt_falls(
    database: str, parts: int, steps: list[tuple[str, int, str]]
) -> None:
    scene = Scene()
    wanted = scene.message(parts=[f"part {i} " for i in range(parts)])
    calls, attempts_before = [], {}  # type: ignore[var-annotated]
    status = "ready"

    for move, pick, proof in steps:
        _take(scene, wanted, calls, move=move, pick=pick, proof=proof)
        row, found = state(wanted), attempts(wanted)
        assert row.status == status or _reachable(status, row.status), (status, row.status)
        for a in found:
            assert RANK[a.status] >= attempts_before.get(a.n, 0)
            assert a.sid is None or a.sid == f"SM{a.token.hex}"
        attempts_before = {a.n: RANK[a.status] for a in found}
        status = row.status
    _no_part_goes_again_knowingly(wanted)


def _take(
    scene: Scene, wanted: int, calls: list[Claimed], *, move: str, pick: int, proof: str
) -> None:
    if move == "claim":
        if state(wanted).status == "ready":
            calls.append(scene.claim(wanted))
    elif calls and move == "evidence":
        one = calls[pick % len(calls)]
        apply(said(one.message_id, one.token, proof))
    elif calls:
        moves = {"give back": give_back, "prove": proved_not_gone, "park": park, "refuse": refuse}
        moves[move](calls[-1 - pick % len(calls)])


def _reachable(old: str, new: str) -> bool:
    """In one step of the table, or by way of `ready` within one transaction."""
    from shared.domain.message import may_become

    return may_become(old, new) or (may_become(old, "ready") and may_become("ready", new))


def _no_part_goes_again_knowingly(wanted: int) -> None:
    row = state(wanted)
    went = {"accepted", "sent", "delivered"}
    if row.status == "ready":
        assert not [a for a in attempts(wanted) if a.part == row.part and a.status in went]
