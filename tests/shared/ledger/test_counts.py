"""Counts by status: insert-only deltas that equal a real count, whatever was done."""

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies._internal.random import ArtificialRandom

from shared.db.session import engine, retried, transaction
from shared.domain.wording import Wording
from shared.ledger import campaigns, evidence, retries
from tests.support import factories, ledger
from tests.support.ledger import Scene, Waits

REAL = """
    SELECT status, count(*) AS n, sum(segments) AS s FROM message
    WHERE campaign_id = :id AND latest GROUP BY status
"""
COUNTED = """
    SELECT status, sum(messages) AS n, sum(segments) AS s FROM campaign_count
    WHERE campaign_id = :id GROUP BY status HAVING sum(messages) <> 0 OR sum(segments) <> 0
"""


def counted(scene: Scene) -> Any:
    return {row.status: (row.n, row.s) for row in factories.rows(COUNTED, id=scene.campaign)}


def really(scene: Scene) -> dict[str, tuple[int, int]]:
    return {row.status: (row.n, row.s) for row in factories.rows(REAL, id=scene.campaign)}


def fold() -> int:
    return retried(campaigns.fold_counts)


def deltas() -> int:
    return factories.one("SELECT count(*) AS n FROM campaign_count").n


def test_every_move_is_counted_and_others_are_not(scene: Scene) -> None:
    scene.message(segments=2)
    before = deltas()

    scene.hint()  # moves due_at only
    after_hint = deltas()
    factories.change("UPDATE message SET status = 'cancelled', due_at = NULL")

    assert after_hint == before
    with transaction() as connection:
        assert campaigns.counts(connection, scene.campaign) == {"cancelled": 1}
    assert counted(scene) == {"cancelled": (1, 2)}


def test_only_a_recipients_latest_message_counts(scene: Scene) -> None:
    old = scene.message(status="failed")

    factories.change("UPDATE message SET latest = false WHERE id = :id", id=old)
    recipient = factories.one("SELECT recipient_id AS id FROM message").id
    scene.message(recipient_id=recipient, round=1)
    factories.change("UPDATE message SET status = 'undelivered' WHERE id = :id", id=old)

    assert counted(scene) == really(scene) == {"ready": (1, 1)}


def test_words_that_come_later_are_counted_in_segments(scene: Scene) -> None:
    planned = scene.message(status="planned", segments=0)

    factories.change(
        "UPDATE message SET status = 'ready', compose_at = NULL, due_at = now(), segments = 3 "
        "WHERE id = :id", id=planned,
    )  # fmt: skip

    assert counted(scene) == really(scene) == {"ready": (1, 3)}


def test_deleting_messages_is_counted(scene: Scene) -> None:
    scene.message()
    scene.message()

    factories.change("DELETE FROM message")

    assert counted(scene) == {}


def test_folding_changes_no_count_and_leaves_a_row_for_each_status(scene: Scene) -> None:
    for status in ("ready", "failed", "delivered"):
        for _ in range(4):
            scene.message(status=status)
    before = counted(scene)

    fold()

    assert counted(scene) == before
    assert deltas() == 3
    assert fold() == 0


def test_counting_waits_for_nobody_and_folding_beside_it_loses_nothing(scene: Scene) -> None:
    for _ in range(10):
        scene.message()
    with engine().connect() as open_, open_.begin():
        open_.exec_driver_sql(
            "INSERT INTO campaign_count (campaign_id, status, messages, segments) "
            f"VALUES ({scene.campaign}, 'draft', 0, 0)"
        )
        scene.message()
        fold()
        open_.rollback()

    assert counted(scene) == really(scene) == {"ready": (11, 11)}


def test_folds_and_moves_at_once_lose_nothing(scene: Scene) -> None:
    wanted = [scene.message() for _ in range(40)]

    def move(seed: int) -> None:
        for message_id in random.Random(seed).sample(wanted, 20):
            with transaction() as connection:
                connection.exec_driver_sql(
                    "UPDATE message SET status = 'cancelled', due_at = NULL "
                    f"WHERE id = {message_id} AND status = 'ready'"
                )

    def folds() -> None:
        for _ in range(10):
            fold()

    threads = [Waits(lambda seed=seed: move(seed)) for seed in range(2)]  # type: ignore[misc]
    for thread in [*threads, Waits(folds), Waits(folds)]:
        thread.join()

    assert counted(scene) == really(scene)


OPERATIONS = ["add", "claim", "return", "fail", "deliver", "retry", "cancel", "fold"]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(OPERATIONS), min_size=3, max_size=20), st.randoms())
def test_counts_equal_a_real_count_after_any_operations(
    database: str, operations: list[str], chance: ArtificialRandom
) -> None:
    scene, calls = Scene(), []

    for operation in operations:
        if operation == "add":
            scene.message(segments=chance.randint(1, 3))
        elif operation == "claim":
            calls += ledger.claim(scene.hint(chance.randint(1, 3)))[0]
        elif operation == "cancel":
            with transaction() as connection:
                campaigns.cancel_some(connection, scene.campaign, most=1)
        elif operation == "fold":
            fold()
        elif operation == "retry":
            _retry(scene)
        elif calls:
            _end(chance.choice(calls), operation)
        assert counted(scene) == really(scene)


def _end(call: Any, operation: Any) -> None:
    if operation == "return":
        ledger.give_back(call)
    elif operation == "fail":
        ledger.refuse(call)
    else:
        ledger.apply(ledger.said(call.message_id, call.token, "delivered"))


def _retry(scene: Scene) -> None:
    with transaction() as connection:
        again = retries.failed(connection, scene.campaign, codes=[21211], after=0, most=5)
        worded = [(f.message_id, Wording("again", [], "GSM-7", 1)) for f in again]
        retries.send_again(connection, worded)


def test_a_campaign_is_finished_when_nothing_is_left_to_send(scene: Scene) -> None:
    last = scene.claimed()
    done = []

    for step in (lambda: None, lambda: ledger.park(last)):
        step()
        done.append(retried(campaigns.finish_done))

    assert done == [[], [scene.campaign]]
    assert factories.one("SELECT status FROM campaign").status == "finished"


def test_a_real_count_decides_when_the_counts_are_wrong(scene: Scene) -> None:
    scene.message()
    factories.change("DELETE FROM campaign_count")

    assert retried(campaigns.finish_done) == []


def test_a_message_that_comes_back_beside_the_finish_is_never_left_in_a_finished_campaign(
    scene: Scene,
) -> None:
    parked = scene.claimed(parts=("one ", "two"))
    ledger.park(parked)
    with engine().connect() as open_, open_.begin():
        proof = ledger.said(parked.message_id, parked.token, "accepted")
        evidence.apply(open_, [proof], poll_after=ledger.POLL)
        beside = retried(campaigns.finish_done)
        open_.commit()

    assert beside == []
    assert retried(campaigns.finish_done) == []
    assert factories.one("SELECT status FROM campaign").status == "running"


def test_evidence_that_waits_for_a_finish_makes_the_campaign_run_again(scene: Scene) -> None:
    parked = scene.claimed(parts=("one ", "two"))
    ledger.park(parked)
    with engine().connect() as open_, engine().connect() as watcher, open_.begin():
        finished = campaigns.finish_done(open_)
        proof = ledger.said(parked.message_id, parked.token, "accepted")
        waiting = Waits(lambda: ledger.apply(proof))
        ledger.until_waiting(watcher)
        open_.commit()
    waiting.join()

    assert finished == [scene.campaign]
    assert factories.one("SELECT status FROM campaign").status == "running"
