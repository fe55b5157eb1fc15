"""An end that comes without its error code, and again with it: the code counts, once."""

from collections.abc import Callable, Sequence
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from scheduler.campaigns.retry_failed import retry_failed
from shared.db.session import transaction
from shared.domain.message import RANK
from shared.ledger import callbacks, evidence, late_failures
from shared.ledger.claim import Claimed
from shared.ledger.evidence import Failure
from tests.support import factories, ledger
from tests.support.ledger import Scene, attempts, called_back, said, state

#: A hold of its sender, and an opt-out.
HELD, OPTED_OUT = 30034, 21610
Word = tuple[str, int | None]


#: The codes that had consequences, in order.
HEARD: list[int] = []


@pytest.fixture
def reactions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    HEARD.clear()
    follow = late_failures.react

    def react(connection: Connection, failures: list[Failure]) -> None:
        HEARD.extend(failure.code for failure in failures)
        follow(connection, failures)

    monkeypatch.setattr(late_failures, "react", react)
    return HEARD


def drain() -> None:
    callbacks.drain(ledger.POLL)


def by_callback(one: Claimed, *words: Word) -> None:
    """These callbacks come in one batch."""
    for status, code in words:
        called_back(one.message_id, one.token, status, code=code)
    drain()


def by_poll(one: Claimed, *words: Word) -> None:
    """A poll or a listing says each."""
    for status, code in words:
        proof = said(one.message_id, one.token, status, error_code=code, source="poll")
        with transaction() as connection:
            applied = evidence.apply(connection, [proof], poll_after=ledger.POLL)
            late_failures.react(connection, applied.failures)


def told(one: Claimed) -> tuple[str, int | None]:
    (attempt,) = attempts(one.message_id)
    message = state(one.message_id)
    assert (attempt.status, attempt.error_code) == (message.status, message.error_code)
    return message.status, message.error_code


def holds() -> list[int]:
    return [row.code for row in factories.rows("SELECT code FROM hold WHERE lifted_at IS NULL")]


BARE, CODED = ("undelivered", None), ("undelivered", HELD)


def test_an_end_gets_its_code_and_what_follows_once_in_any_order(
    scene: Scene, reactions: list[Any]
) -> None:
    for order in dict.fromkeys(permutations([BARE, BARE, CODED, CODED])):
        for batches in ([order], [[word] for word in order], [order[:2], order[2:]]):
            one = scene.claimed()
            reactions.clear()

            for words in batches:
                by_callback(one, *words)

            assert told(one) == ("undelivered", HELD), batches
            assert reactions == [HELD], batches
            assert holds() == [HELD]
            factories.change("DELETE FROM hold")
            factories.change("UPDATE agent SET status = 'active'")


def test_it_does_not_matter_who_says_it(scene: Scene, reactions: list[Any]) -> None:
    for order in permutations([("sent", None), BARE, CODED]):
        for ways in product([by_callback, by_poll], repeat=3):
            one = scene.claimed()
            reactions.clear()

            for way, word in zip(ways, order, strict=True):
                way(one, word)

            assert told(one) == ("undelivered", HELD), (order, ways)
            assert reactions == [HELD], (order, ways)
            factories.change("DELETE FROM hold")
            factories.change("UPDATE agent SET status = 'active'")


def test_an_opt_out_told_late_is_a_suppression(scene: Scene) -> None:
    one = scene.claimed()
    by_callback(one, ("failed", None))
    before = factories.rows("SELECT * FROM suppression")

    by_callback(one, ("failed", OPTED_OUT))

    (suppressed,) = factories.rows("SELECT phone, source FROM suppression")
    assert before == []
    assert tuple(suppressed) == (one.phone, "provider")


def test_a_late_code_replayed_does_not_suppress_again_who_has_opted_in_since(
    scene: Scene, reactions: list[Any]
) -> None:
    one = scene.claimed()
    by_callback(one, ("failed", None))
    by_callback(one, ("failed", OPTED_OUT))
    factories.change("DELETE FROM suppression")

    by_callback(one, ("failed", OPTED_OUT), ("failed", None))
    by_poll(one, ("failed", OPTED_OUT))

    assert reactions == [OPTED_OUT]
    assert factories.rows("SELECT * FROM suppression") == []


@pytest.mark.parametrize(("code", "again"), [(None, 1), (30003, 1), (21211, 0)])
def test_a_late_code_decides_whether_a_retry_sends_again(
    scene: Scene, code: int | None, again: int
) -> None:
    one = scene.claimed()
    by_callback(one, ("failed", None))
    by_callback(one, ("failed", code))

    assert retry_failed(scene.campaign, actor="ann") == again


def test_the_first_code_stays_and_another_end_adds_none(scene: Scene, reactions: list[Any]) -> None:
    first, second = scene.claimed(), scene.claimed()
    by_callback(first, ("failed", None), ("failed", 30003), ("failed", HELD))
    by_callback(second, BARE, ("failed", HELD))
    by_callback(second, ("delivered", HELD))

    assert told(first) == ("failed", 30003)
    assert told(second) == ("undelivered", None)
    assert (reactions, holds()) == ([30003], [])


def test_what_carries_another_sid_or_token_fills_nothing(
    scene: Scene, reactions: list[Any]
) -> None:
    one, other = scene.claimed(), scene.claimed()
    by_callback(one, BARE)

    called_back(one.message_id, one.token, "undelivered", sid="SM9", code=HELD)
    called_back(one.message_id, other.token, "undelivered", code=HELD)
    drain()

    assert (told(one), reactions) == (("undelivered", None), [])


def test_a_word_of_the_providers_own_fills_nothing(scene: Scene, reactions: list[Any]) -> None:
    one = scene.claimed()
    ledger.park(one)

    by_callback(one, ("unknown", HELD))

    assert (told(one), reactions) == (("unknown", None), [])


def test_a_superseded_calls_late_code_is_not_the_newer_ones(
    scene: Scene, reactions: list[Any]
) -> None:
    first = scene.claimed()
    ledger.proved_not_gone(first)
    second = scene.claim(first.message_id)
    by_callback(second, ("failed", None))
    by_callback(first, ("failed", None))

    by_callback(first, ("failed", HELD))

    assert [a.error_code for a in attempts(first.message_id)] == [HELD, None]
    assert state(first.message_id).error_code is None
    assert reactions == [HELD]


@pytest.mark.parametrize("together", [True, False])
def test_of_several_parts_the_one_that_failed_says_why(
    scene: Scene, reactions: list[Any], together: bool
) -> None:
    one = scene.claimed(parts=["one ", "two"])

    for words in [(BARE, CODED)] if together else [(BARE,), (CODED,)]:
        by_callback(one, *words)

    message = state(one.message_id)
    assert (message.status, message.error_code, reactions) == ("undelivered", HELD, [HELD])


def test_a_throttled_call_is_not_why_a_later_part_failed(scene: Scene) -> None:
    throttled = scene.claimed(parts=["one ", "two"])
    ledger.give_back(throttled, "throttled", error_code=20429)
    one = scene.claim(throttled.message_id)

    by_callback(one, BARE)
    before = state(one.message_id).error_code
    by_callback(one, CODED)

    assert (before, state(one.message_id).error_code) == (None, HELD)


# -- any order -----------------------------------------------------------------------------------

WORD = st.tuples(
    st.sampled_from(["accepted", "sent", "delivered", "undelivered", "failed"]),
    st.sampled_from([None, None, 30003, HELD]),
)


class Model:
    """What one attempt is known to be, in ten lines."""

    def __init__(self) -> None:
        self.status, self.code = "sending", None
        self.reactions: list[int] = []

    def hear(self, words: Sequence[Word]) -> None:
        status, code = max(words, key=lambda word: RANK[word[0]])  # the first of the highest
        if RANK[status] > RANK[self.status]:
            self.status, self.code = status, code  # type: ignore[assignment]
            self.reactions += [code] if code else []
        for status, code in words:
            if status == self.status and self.code is None and code is not None:
                self.code = code  # type: ignore[assignment]
                self.reactions.append(code)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(WORD, min_size=1, max_size=4), min_size=1, max_size=4))
def test_whatever_comes_in_whatever_batches_is_as_the_model_says(
    database: str, reactions: list[int], batches: list[list[tuple[str, int | None]]]
) -> None:
    one, model = Scene().claimed(), Model()
    del reactions[:]

    for words in batches:
        by_callback(one, *words)
        model.hear(words)

    assert told(one) == (model.status, model.code)
    assert reactions == model.reactions


# -- without the guards --------------------------------------------------------------------------


def reworded(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    for name in ("FILL_CODES_KEPT", "FILL_CODES"):
        words = str(getattr(evidence, name))
        assert old in words
        monkeypatch.setattr(evidence, name, text(words.replace(old, new)))


@pytest.mark.parametrize("way", [by_callback, by_poll])
def test_a_mutant_that_fills_nothing_loses_the_code(
    scene: Scene, reactions: list[Any], monkeypatch: pytest.MonkeyPatch, way: Callable[..., Any]
) -> None:
    reworded(monkeypatch, "t.rank > 0", "false")
    one = scene.claimed()

    way(one, BARE)
    way(one, CODED)

    assert (told(one), reactions) == (("undelivered", None), [])


def test_a_mutant_that_fills_what_is_full_has_consequences_twice(
    scene: Scene, reactions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reworded(monkeypatch, "a.error_code IS NULL", "true")
    one = scene.claimed()

    by_callback(one, CODED)
    by_callback(one, CODED)

    assert reactions != [HELD]


def test_a_mutant_that_takes_any_end_for_the_same_holds_what_nobody_blamed(
    scene: Scene, reactions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reworded(monkeypatch, "a.status = t.status", "true")
    one = scene.claimed()

    by_callback(one, BARE)
    by_callback(one, ("delivered", HELD))

    assert reactions == [HELD]
