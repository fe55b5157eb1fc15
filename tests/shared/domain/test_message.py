"""The table of a message's life, against DESIGN's: what may become what, and nothing else."""

from itertools import product

import pytest

from shared.domain.message import (
    EVIDENCE,
    NEXT,
    RANK,
    UNSENT,
    WORST_FIRST,
    AttemptStatus,
    MessageStatus,
    may_become,
)

S = MessageStatus


def test_every_status_has_a_row() -> None:
    assert set(NEXT) == set(MessageStatus)
    assert set(RANK) == set(AttemptStatus)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("planned", "ready"), ("draft", "cancelled"), ("planned", "cancelled"),
        ("ready", "sending"), ("ready", "suppressed"), ("ready", "expired"),
        ("ready", "cancelled"), ("sending", "ready"), ("sending", "cancelled"),
        ("sending", "expired"), ("sending", "suppressed"), ("sending", "failed"),
        ("sending", "unknown"), ("unknown", "ready"), ("unknown", "failed"),
        ("accepted", "sent"), ("accepted", "delivered"), ("sent", "delivered"),
        ("sent", "undelivered"), ("sent", "failed"),
    ],
)  # fmt: skip
def test_what_the_trade_needs_is_allowed(old: str, new: str) -> None:
    assert may_become(old, new)


@pytest.mark.parametrize(
    "reached", [S.READY, S.SENDING, S.UNKNOWN, S.CANCELLED, S.EXPIRED, S.SUPPRESSED]
)
@pytest.mark.parametrize("proof", sorted(EVIDENCE))
def test_evidence_beats_every_state_that_was_reached_without_it(
    reached: MessageStatus, proof: MessageStatus
) -> None:
    assert may_become(reached, proof)


def test_evidence_beats_a_failure_that_only_an_operator_called() -> None:
    assert NEXT[S.FAILED] == EVIDENCE - {S.FAILED}


@pytest.mark.parametrize("end", [S.DELIVERED, S.UNDELIVERED])
def test_what_has_ended_on_the_carriers_word_never_moves_again(end: MessageStatus) -> None:
    assert NEXT[end] == frozenset()


def test_what_was_sent_never_goes_back_to_be_sent_again() -> None:
    went = {S.ACCEPTED, S.SENT, S.DELIVERED, S.UNDELIVERED}

    assert not [pair for pair in product(went, UNSENT) if may_become(*pair)]
    assert not may_become(S.SENT, S.ACCEPTED)
    assert not may_become(S.DELIVERED, S.SENT)


@pytest.mark.parametrize("stopped", [S.CANCELLED, S.EXPIRED, S.SUPPRESSED, S.FAILED])
def test_what_was_stopped_is_never_sent_by_itself(stopped: MessageStatus) -> None:
    assert not NEXT[stopped] & set(UNSENT)


def test_unknown_closes_a_campaign_but_is_not_final() -> None:
    assert S.UNKNOWN not in UNSENT
    assert S.READY in NEXT[S.UNKNOWN]


def test_the_worst_of_several_ends_is_in_the_order_of_the_trade() -> None:
    assert [s.value for s in WORST_FIRST] == [
        "failed", "undelivered", "unknown", "suppressed", "cancelled", "expired", "sent",
        "delivered",
    ]  # fmt: skip


def test_a_word_outside_the_vocabulary_is_an_error() -> None:
    with pytest.raises(ValueError, match="queued"):
        may_become("ready", "queued")
