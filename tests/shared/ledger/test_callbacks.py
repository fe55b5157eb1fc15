"""The inbox: callbacks kept raw, then applied in batches, by anybody, in any order."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.db.session import engine, transaction
from shared.ledger import callbacks, evidence_statements
from tests.support import factories, ledger
from tests.support.ledger import Scene, Waits, attempts, called_back, said, state


def drain() -> int:
    return callbacks.drain(ledger.POLL)


def waiting() -> int:
    return factories.one("SELECT count(*) AS n FROM callback WHERE NOT applied").n


def test_kept_callbacks_are_applied_once_and_stay(scene: Scene) -> None:
    sending = scene.claimed()
    called_back(sending.message_id, sending.token, "sent")
    called_back(sending.message_id, sending.token, "delivered")

    assert (drain(), drain()) == (2, 0)

    assert state(sending.message_id).status == "delivered"
    kept = factories.rows("SELECT status, applied FROM callback ORDER BY seq")
    assert kept == [("sent", True), ("delivered", True)]


def test_callbacks_backwards_and_twice_change_nothing(scene: Scene) -> None:
    sending = scene.claimed()
    for status in ("delivered", "sent", "delivered", "accepted", "sent"):
        called_back(sending.message_id, sending.token, status)
        drain()

    assert state(sending.message_id).status == "delivered"
    assert not ledger.events(sending.message_id)


def test_what_says_nothing_about_a_message_is_kept_and_passed_over(scene: Scene) -> None:
    sending = scene.claimed()
    called_back(sending.message_id, sending.token, "something new")
    called_back(sending.message_id, uuid4(), "delivered")
    called_back(10**12, sending.token, "delivered")
    with transaction() as connection:
        nobody = callbacks.CallbackRow(
            "twilio", None, None, None, "SM9", "delivered", 3, None, "{}", ""
        )
        callbacks.keep(connection, [nobody])

    assert drain() == 4

    assert state(sending.message_id).status == "sending"
    assert waiting() == 0


def test_more_than_a_batch_is_drained_to_the_last(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "BATCH", 3)
    calls = [scene.claimed() for _ in range(7)]
    for one in calls:
        called_back(one.message_id, one.token, "sent")

    assert drain() == 7

    assert {state(one.message_id).status for one in calls} == {"sent"}


def test_a_drain_leaves_to_another_what_that_one_has_taken(scene: Scene) -> None:
    sending = scene.claimed()
    called_back(sending.message_id, sending.token, "sent")
    with engine().connect() as other, other.begin():
        taken = callbacks.apply_waiting(other, 10, ledger.POLL)
        assert (taken, drain()) == (1, 0)
        other.rollback()

    assert drain() == 1


def test_a_drain_that_dies_leaves_the_callbacks_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = scene.claimed()
    called_back(sending.message_id, sending.token, "sent")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.evidence, "apply_kept", dies)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            drain()

    assert waiting() == 1
    assert drain() == 1
    assert state(sending.message_id).status == "sent"


def test_one_sid_on_two_callbacks_binds_the_first_and_stops_nobody(scene: Scene) -> None:
    first, second, third = (scene.claimed() for _ in range(3))
    called_back(first.message_id, first.token, "accepted", sid="SM1")
    called_back(second.message_id, second.token, "accepted", sid="SM1")
    called_back(third.message_id, third.token, "accepted", sid="SM3")

    assert drain() == 3

    bound = [[a.sid for a in attempts(m.message_id)] for m in (first, second, third)]
    assert bound == [["SM1"], [None], ["SM3"]]
    assert state(second.message_id).status == "sending"


def test_without_one_by_one_that_batch_would_never_pass(scene: Scene) -> None:
    first, second = scene.claimed(), scene.claimed()
    for one in (first, second):
        called_back(one.message_id, one.token, "accepted", sid="SM1")

    with pytest.raises(IntegrityError), transaction() as connection:
        callbacks.apply_waiting(connection, 10, ledger.POLL)

    assert waiting() == 2


@pytest.mark.parametrize("settled", [True, False])
def test_a_batch_is_found_by_index_however_small_the_tables_are(
    scene: Scene, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in [scene.claimed() for _ in range(10)]:
        called_back(one.message_id, one.token, "sent", code=30003)
    factories.change("ANALYZE callback, message, attempt")
    explained = text(f"EXPLAIN {evidence_statements.APPLY_KEPT.text}")
    filled = text(f"EXPLAIN {evidence_statements.FILL_CODES_KEPT.text}")
    if not settled:
        monkeypatch.setattr(callbacks, "_BY_INDEX", text("SELECT 1"))

    with transaction() as connection:
        taken = callbacks.take(connection, 10)
        given = {"places": taken.places, "poll_after": ledger.POLL}
        plans = [
            " ".join(connection.execute(explained, given).scalars()),
            " ".join(connection.execute(filled, {"seqs": taken.coded}).scalars()),
        ]

        assert len(taken.coded) == 10
        assert all(("Seq Scan" in plan) is not settled for plan in plans)


def test_several_drains_and_records_at_once_end_with_the_best_that_was_said(scene: Scene) -> None:
    calls = [scene.claimed() for _ in range(25)]
    start = threading.Barrier(5)
    for status in ("delivered", "sent", "accepted"):
        for one in calls:
            called_back(one.message_id, one.token, status)

    def drains() -> None:
        start.wait()
        while waiting():
            drain()

    def records() -> None:
        start.wait()
        for one in reversed(calls):
            ledger.apply(said(one.message_id, one.token, "accepted", source="answer"))

    for thread in [*(Waits(drains) for _ in range(3)), *(Waits(records) for _ in range(2))]:
        thread.join()

    assert {state(one.message_id).status for one in calls} == {"delivered"}
