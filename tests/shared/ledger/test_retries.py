"""One more message for recipients whose latest failed."""

import pytest

from shared.db.session import retried, transaction
from shared.domain.wording import Wording
from shared.ledger import retries
from shared.ledger.retries import Failed
from tests.support import factories, ledger
from tests.support.ledger import Scene, Waits, attempts, state

WORDS = Wording("again", [], "GSM-7", 1)


def failed(
    scene: Scene, codes: tuple[int] = (30003,), after: int = 0, most: int = 100
) -> list[Failed]:
    with transaction() as connection:
        return retries.failed(connection, scene.campaign, codes=codes, after=after, most=most)


def send_again(*worded: tuple[int, Wording]) -> int:
    return retried(lambda connection: retries.send_again(connection, worded))


def test_ids_are_never_handed_out_twice(database: str) -> None:
    with transaction() as connection:
        ids = [i for n in (1, 999, 1000, 1001, 2500) for i in retries.new_ids(connection, n)]

    assert len(set(ids)) == len(ids) == 5501


@pytest.mark.parametrize(
    ("status", "code", "found"),
    [
        ("failed", 30003, True), ("undelivered", 30003, True), ("failed", None, True),
        ("failed", 21211, False), ("delivered", 30003, False), ("unknown", None, False),
    ],
)  # fmt: skip
def test_what_failed_with_a_retryable_code_or_none_is_found(
    scene: Scene, status: str, code: int | None, found: bool
) -> None:
    wanted = scene.message(status=status, error_code=code)

    assert [f.message_id for f in failed(scene)] == [wanted] * found


def test_pages_of_failed_recipients_go_to_the_last(scene: Scene) -> None:
    wanted = [scene.message(status="failed") for _ in range(5)]

    pages = [
        [f.message_id for f in failed(scene, after=after, most=2)]
        for after in (0, wanted[1], wanted[3])
    ]

    assert pages == [wanted[:2], wanted[2:4], wanted[4:]]


def test_a_retry_is_a_new_message_one_round_up_and_the_one_that_counts(scene: Scene) -> None:
    old = scene.message(status="failed", error_code=30003)

    assert send_again((old, WORDS)) == 1

    new = factories.one("SELECT * FROM message WHERE id <> :id", id=old)
    assert (state(old).latest, new.latest, new.round, new.status) == (False, True, 1, "ready")
    assert (new.body, new.recipient_id) == ("again", state(old).recipient_id)
    assert (new.attempts, new.n, new.token, new.sender) == (0, 0, None, None)


def test_a_retry_is_unique_per_recipient_and_round(scene: Scene) -> None:
    old = scene.message(status="failed")

    made = [thread.join() for thread in [Waits(lambda: send_again((old, WORDS))) for _ in range(4)]]

    assert sorted(made) == [0, 0, 0, 1]
    assert failed(scene) == []
    assert factories.one("SELECT count(*) AS n FROM message WHERE latest").n == 1


def test_a_part_of_which_any_call_went_is_known_as_gone(scene: Scene) -> None:
    first = scene.claimed()
    ledger.proved_not_gone(first)
    second = scene.claim(first.message_id)
    ledger.apply(ledger.said(first.message_id, first.token, "delivered"))
    ledger.refuse(second, 30003)

    (found,) = failed(scene)

    assert [a.status for a in attempts(first.message_id)] == ["delivered", "failed"]
    assert found.parts == {0: "delivered"}


def test_parts_that_were_never_called_are_missing(scene: Scene) -> None:
    first = scene.claimed(parts=("one ", "two ", "three"))
    ledger.apply(ledger.said(first.message_id, first.token, "accepted"))
    ledger.refuse(scene.claim(first.message_id), 30003)

    (found,) = failed(scene)

    assert found.parts == {0: "accepted", 1: "failed"}
    assert found.cuts == [4, 8]
