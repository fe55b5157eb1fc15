"""What a number may send: the day's segments in the claim, the second's in the hint."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from shared.db.session import engine, retried, transaction
from shared.ledger import agents, claim_statements, record, sender_limits
from shared.ledger import claim as claiming
from shared.ledger.agents import NewSender
from shared.ledger.sender_limits import PacedHint
from tests.support import factories, ledger
from tests.support.ledger import (
    TODAY,
    TOMORROW,
    Scene,
    Waits,
    attempts,
    claim,
    give_back,
    state,
    until_waiting,
)

GSM_SEGMENT = 153


@pytest.fixture
def one(scene: Scene) -> str:
    """The scene with one sender only; its number."""
    factories.change("DELETE FROM sender WHERE number = :number", number=scene.senders[1])
    return scene.senders[0]


def limit(number: str, *, per_second: int | None = None, per_day: int | None = None) -> None:
    factories.change(
        "INSERT INTO sender_limit (number, segments_per_second, segments_per_day) "
        "VALUES (:number, :per_second, :per_day) ON CONFLICT (number) DO UPDATE SET "
        "segments_per_second = :per_second, segments_per_day = :per_day",
        number=number, per_second=per_second, per_day=per_day,
    )  # fmt: skip


def used(number: str) -> int:
    query = (
        f"SELECT CASE WHEN day = {TODAY} THEN used END AS used FROM sender_limit WHERE number = :n"
    )
    return factories.one(query, n=number).used


def hinted(scene: Scene, n: int = 100) -> list[PacedHint]:
    with transaction() as connection:
        return sender_limits.hint(
            connection, [(scene.campaign, scene.agent, n)], stale=timedelta(seconds=30)
        )


def pairs(hints: list[PacedHint]) -> list[tuple[int, int]]:
    return [(hint.message_id, hint.due) for hint in hints]


def waits_until_tomorrow(message_id: int) -> bool:
    query = f"SELECT due_at = {TOMORROW} AS so FROM message WHERE id = :id AND status = 'ready'"
    return [row.so for row in factories.rows(query, id=message_id)] == [True]


# -- the day ---------------------------------------------------------------------------------------


def test_a_day_carries_exactly_its_segments_and_the_rest_waits_for_the_next(
    scene: Scene, one: str
) -> None:
    limit(one, per_day=5)
    wanted = [scene.message() for _ in range(8)]

    first, _ = claim(scene.hint(4))
    second, verdicts = claim(scene.hint())
    third, verdicts_then = claim(scene.hint())

    assert (len(first), len(second), len(third)) == (4, 1, 0)
    assert {verdict for _, verdict in verdicts} == {"waits"}
    assert [verdict for _, verdict in verdicts_then] == ["held"] * 3
    assert used(one) == 5
    assert all(waits_until_tomorrow(m) for m in wanted if state(m).status == "ready")


def test_the_next_day_begins_with_nothing_used(scene: Scene, one: str) -> None:
    limit(one, per_day=2)
    scene.message(segments=2)
    claim(scene.hint())
    wanted = scene.message(segments=2)
    factories.change("UPDATE sender_limit SET day = day - 1")

    ((made,), _) = claim(scene.hint())

    assert made.message_id == wanted
    assert used(one) == 2


def test_a_text_counts_all_its_segments_with_its_first_part(scene: Scene, one: str) -> None:
    limit(one, per_day=3)
    first = scene.claimed(parts=("one ", "two ", "three"))
    ledger.apply(ledger.said(first.message_id, first.token, "accepted"))

    second = scene.claim(first.message_id)

    assert (second.part, used(one)) == (1, 3)


def test_a_text_that_does_not_fit_waits_and_shorter_ones_still_go(scene: Scene, one: str) -> None:
    limit(one, per_day=4)
    long, longer, short = (scene.message(segments=n) for n in (3, 2, 1))

    claim(scene.hint())
    claim(scene.hint())

    assert [state(m).status for m in (long, longer, short)] == ["sending", "ready", "sending"]
    assert waits_until_tomorrow(longer)
    assert used(one) == 4


def test_a_sender_that_has_used_its_day_leaves_the_pool_and_the_others_speak(scene: Scene) -> None:
    limit(scene.senders[0], per_day=1)
    for n in range(12):
        scene.message(phone=f"+12025550{n:03}")

    made = [c for _ in range(4) for c in claim(scene.hint())[0]]

    assert len(made) == 12
    assert sorted({c.sender for c in made}) == sorted(scene.senders)  # type: ignore[type-var]
    assert [c.sender for c in made].count(scene.senders[0]) == 1


def test_no_messaging_service_speaks_for_a_sender_that_has_used_its_day(
    scene: Scene, one: str
) -> None:
    limit(one, per_day=1)
    factories.change("UPDATE agent SET messaging_service_sid = 'MG1'")
    scene.claimed()
    scene.message()

    assert [verdict for _, verdict in claim(scene.hint())[1]] == ["held"]


def test_what_did_not_go_is_counted_down_again(scene: Scene, one: str) -> None:
    limit(one, per_day=3)
    sending = scene.claimed(segments=3)

    give_back(sending, "too late for its slot")
    after, again = used(one), scene.claim(sending.message_id)

    assert (after, used(one)) == (0, 3)
    assert again.message_id == sending.message_id
    assert [a.charged for a in attempts(sending.message_id)] == [3, 3]


def test_what_may_have_gone_stays_counted(scene: Scene, one: str) -> None:
    limit(one, per_day=3)
    sending = scene.claimed()

    give_back(sending, record.RESENT, counts=True)

    assert used(one) == 1


def test_what_was_claimed_before_there_was_a_limit_is_not_counted_down(
    scene: Scene, one: str
) -> None:
    before = scene.claimed()
    limit(one, per_day=3)
    scene.claimed()

    give_back(before)

    assert used(one) == 1


def test_what_was_claimed_on_another_day_is_not_counted_down_from_this_one(
    scene: Scene, one: str
) -> None:
    limit(one, per_day=3)
    yesterday, _ = scene.claimed(), scene.claimed()
    factories.change(
        "UPDATE attempt SET claimed_at = claimed_at - interval '25 h' WHERE message_id = :id",
        id=yesterday.message_id,
    )

    give_back(yesterday)

    assert used(one) == 2


def over_two_claims(scene: Scene) -> int:
    """Two claims, the second while the first is not committed; how many messages they got."""
    for _ in range(6):
        scene.message()
    first, second = scene.hint(3), scene.hint(3)
    with engine().connect() as claimer, engine().connect() as watcher, claimer.begin():
        taken, _ = claiming.claim(claimer, first, by="a", reconcile_after=ledger.RECONCILE)
        later = Waits(lambda: claim(second))
        until_waiting(watcher)
        claimer.commit()
    return len(taken) + len(later.join()[0])


def test_a_claim_waits_for_what_another_leaves_of_the_day(scene: Scene, one: str) -> None:
    limit(one, per_day=5)

    assert over_two_claims(scene) == 5


def test_a_mutant_claim_that_does_not_lock_the_day_would_give_it_out_twice(
    scene: Scene, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(one, per_day=5)
    guard = "ORDER BY number FOR UPDATE"
    whole = str(claim_statements.CLAIM_WITH_LIMITS)
    assert guard in whole
    without = text(whole.replace(guard, "ORDER BY number"))
    monkeypatch.setattr(claiming, "CLAIM_WITH_LIMITS", without)

    assert over_two_claims(scene) == 6


def test_many_workers_claiming_at_once_meet_the_limit_exactly(scene: Scene) -> None:
    for number in scene.senders:
        limit(number, per_day=20)
    for _ in range(80):
        scene.message()
    made, late = [], set()

    def work() -> None:
        while hints := scene.hint(3):
            claimed, _ = claim(hints)
            made.extend(claimed)
            for one in claimed[:1]:
                if one.message_id % 3 == 0 and one.message_id not in late:
                    late.add(one.message_id)
                    give_back(one, "too late for its slot")
                    made.remove(one)

    for thread in [Waits(work) for _ in range(4)]:
        thread.join()

    by_sender = [sum(c.sender == number for c in made) for number in scene.senders]
    assert by_sender == [20, 20]
    assert [used(number) for number in scene.senders] == [20, 20]
    assert factories.one("SELECT count(*) AS n FROM message WHERE status = 'ready'").n == 40


# -- the second ------------------------------------------------------------------------------------


def test_a_hint_says_which_sender_the_claim_will_take_and_what_the_next_part_costs(
    scene: Scene, one: str
) -> None:
    limit(one, per_second=2)
    text_of_two = "a" * (GSM_SEGMENT + 20)
    wanted = scene.message(parts=(text_of_two, "b"), segments=3)

    (hint,) = hinted(scene)
    ((made,), _) = claim(pairs([hint]))

    assert (hint.message_id, hint.sender, hint.limit, hint.part) == (wanted, one, 2, 0)
    assert hint.segments == 2
    assert (made.sender, made.paced) == (one, True)


def test_only_agents_with_such_a_sender_are_paced_and_with_all_their_senders(scene: Scene) -> None:
    limit(scene.senders[0], per_second=2)
    limit(scene.senders[1], per_day=2)
    factories.sender(factories.agent())

    with transaction() as connection:
        found = sender_limits.paced(connection)

    first, second = scene.senders
    assert found == {scene.agent: {first: 2, second: None}}


def test_people_keep_their_sender_from_hint_to_claim_even_when_the_pool_changes(
    scene: Scene,
) -> None:
    for number in scene.senders:
        limit(number, per_second=2)
    for n in range(10):
        scene.message(phone=f"+1202555010{n}")
    hints = hinted(scene)
    factories.sender(scene.agent)

    claimed, _ = claim(pairs(hints))

    assert {c.message_id: c.sender for c in claimed} == {h.message_id: h.sender for h in hints}
    assert {h.sender for h in hints} == set(scene.senders)


def test_a_message_whose_sender_was_not_asked_is_not_claimed(scene: Scene, one: str) -> None:
    unasked = scene.message()
    hints = scene.hint()
    limit(one, per_second=2)

    assert claim(hints) == ([], [(unasked, "waits")])
    assert len(claim(pairs(hinted(scene)))[0]) == 1


def test_the_next_part_asks_its_sender_anew_and_before_texts_that_were_not_begun(
    scene: Scene, one: str
) -> None:
    limit(one, per_second=2)
    scene.message()
    begun = scene.message(parts=("one ", "two"))
    made = {c.message_id: c for c in claim(pairs(hinted(scene)))[0]}[begun]
    older = scene.message()
    factories.change("UPDATE message SET due_at = due_at - interval '1 s' WHERE id = :id", id=older)
    factories.change(
        "UPDATE message SET created_at = created_at - interval '1 min' WHERE id = :id", id=begun
    )

    def recorded(connection: Connection) -> tuple[list[Any], list[tuple[int, str]]]:
        proof = ledger.said(begun, made.token, "accepted")
        applied = ledger.evidence.apply(connection, [proof], poll_after=ledger.POLL)  # type: ignore[attr-defined]
        return claiming.claim(
            connection, applied.continued, by="a", reconcile_after=ledger.RECONCILE, unasked=True
        )

    assert retried(recorded) == ([], [(begun, "waits")])
    (hint,) = hinted(scene, 1)
    assert (hint.message_id, hint.part, hint.segments) == (begun, 1, 1)


def test_the_next_part_of_a_sender_without_a_limit_goes_on_at_once(scene: Scene, one: str) -> None:
    limit(one, per_day=20)
    first = scene.claimed(parts=("one ", "two"))
    continued = ledger.apply(ledger.said(first.message_id, first.token, "accepted")).continued

    with transaction() as connection:
        claimed, _ = claiming.claim(
            connection, continued, by="a", reconcile_after=ledger.RECONCILE, unasked=True
        )

    assert [(c.part, c.paced) for c in claimed] == [(1, False)]


def test_what_got_no_slot_is_due_again_when_its_sender_is_free_or_at_once(
    scene: Scene, one: str
) -> None:
    limit(one, per_second=2)
    waiting, first = scene.message(), scene.message()
    hints = {hint.message_id: hint.due for hint in hinted(scene)}

    with transaction() as connection:
        sender_limits.rest(
            connection, [(waiting, hints[waiting], 2.5), (first, hints[first], None)]
        )

    left = factories.one(
        "SELECT extract(epoch FROM due_at - now())::float AS s FROM message WHERE id = :id",
        id=waiting,
    ).s
    assert 1 < left <= 2.5
    assert state(first).due_at == state(first).created_at


def test_what_was_decided_since_the_hint_is_not_taken_back(scene: Scene, one: str) -> None:
    limit(one, per_second=2)
    wanted = scene.message()
    (hint,) = hinted(scene)
    factories.change("UPDATE message SET status = 'cancelled', due_at = NULL")

    with transaction() as connection:
        assert sender_limits.rest(connection, [(wanted, hint.due, 1.0)]) == 0


# -- what holds for a number -----------------------------------------------------------------------


def give(agent: int, *senders: NewSender) -> None:
    with transaction() as connection:
        agents.replace_senders(connection, agent, senders)


def holding(number: str) -> list[tuple[float | None, int | None]]:
    found = factories.rows(
        "SELECT segments_per_second AS s, segments_per_day AS d FROM sender_limit "
        "WHERE number = :n",
        n=number,
    )
    return [(row.s, row.d) for row in found]


def test_the_tightest_limit_of_all_its_agents_holds_for_a_number(scene: Scene) -> None:
    number, other = "+15005550001", factories.agent()

    give(scene.agent, NewSender(number, True, 5, 100))
    give(other, NewSender(number, True, 2, None))
    both = holding(number)
    give(other, NewSender(number, True))
    one = holding(number)
    with transaction() as connection:
        agents.delete(connection, scene.agent)

    assert (both, one, holding(number)) == ([(2, 100)], [(5, 100)], [(None, None)])


def test_a_number_without_a_limit_has_no_row(scene: Scene) -> None:
    give(scene.agent, NewSender("+15005550001"))

    assert factories.rows("SELECT 1 FROM sender_limit") == []


def test_a_limit_that_comes_back_on_the_same_day_goes_on_with_its_count(scene: Scene) -> None:
    number = "+15005550001"
    give(scene.agent, NewSender(number, True, None, 2))
    scene.claimed()
    give(scene.agent, NewSender(number))
    give(scene.agent, NewSender(number, True, None, 1))
    scene.message()

    assert [verdict for _, verdict in claim(scene.hint())[1]] == ["held"]
