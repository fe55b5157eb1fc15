"""Hints: which rows are due, and how they rest while a release is on its way."""

from datetime import timedelta

from shared.db.session import engine, transaction
from shared.ledger import due
from shared.ledger.due import Hint
from tests.support import factories, ledger
from tests.support.ledger import Scene, state


def hint(*wants: tuple[int, int, int], stale: timedelta = ledger.STALE) -> list[Hint]:
    with transaction() as connection:
        return due.hint(connection, wants, stale=stale)


def with_work() -> list[tuple[int, int]]:
    with transaction() as connection:
        return [(lane.campaign_id, lane.agent_key) for lane in due.with_work(connection)]


def test_a_hint_moves_due_at_and_nothing_else(scene: Scene) -> None:
    wanted = scene.message()
    before = state(wanted)

    (made,) = hint((scene.campaign, scene.agent, 5))

    after = state(wanted)
    assert (made.message_id, made.campaign_id) == (wanted, scene.campaign)
    assert after.due_at - before.due_at >= ledger.STALE
    changed = {k for k, v in before._mapping.items() if after._mapping[k] != v}
    assert changed == {"due_at"}


def test_the_microseconds_of_a_hint_are_exactly_what_was_written(scene: Scene) -> None:
    for _ in range(50):
        scene.message()
    hints = scene.hint()

    claimed, _ = ledger.claim(hints)

    assert len(claimed) == 50


def test_a_lost_hint_comes_back_by_itself(scene: Scene) -> None:
    wanted = scene.message()
    hint((scene.campaign, scene.agent, 5), stale=timedelta(0))

    again = hint((scene.campaign, scene.agent, 5))

    assert [h.message_id for h in again] == [wanted]
    assert hint((scene.campaign, scene.agent, 5)) == []


def test_each_lane_gets_as_many_as_it_asked_for_the_longest_due_first(scene: Scene) -> None:
    other = Scene()
    factories.change("UPDATE agent SET rate = 5")
    late = scene.message()
    factories.change("UPDATE message SET due_at = due_at - interval '1 hour'")
    for _ in range(3):
        scene.message()
        other.message()

    made = hint((scene.campaign, scene.agent, 1), (other.campaign, other.agent, 2))

    assert [h.message_id for h in made if h.campaign_id == scene.campaign] == [late]
    assert sum(h.campaign_id == other.campaign for h in made) == 2


def test_two_dispatchers_at_once_never_hint_the_same_row_and_never_wait(scene: Scene) -> None:
    for _ in range(4):
        scene.message()
    with engine().connect() as other, other.begin():
        theirs = due.hint(other, [(scene.campaign, scene.agent, 2)], stale=ledger.STALE)
        ours = hint((scene.campaign, scene.agent, 4))
        other.commit()

    assert len(theirs) == len(ours) == 2
    assert not {h.message_id for h in ours} & {h.message_id for h in theirs}


def test_hints_taken_back_are_due_at_once_unless_somebody_decided_otherwise(scene: Scene) -> None:
    first, second, third = (scene.message() for _ in range(3))
    hints = scene.hint()
    ledger.claim(hints[:1])
    factories.change(
        "UPDATE message SET due_at = due_at + interval '1 h' WHERE id = :id", id=second
    )

    with transaction() as connection:
        assert due.unhint(connection, hints) == 1

    assert state(first).status == "sending"
    assert [message_id for message_id, _ in scene.hint()] == [third]


def test_a_lease_given_back_is_free_at_once_unless_the_words_were_written_meanwhile(
    scene: Scene,
) -> None:
    planned, ready = scene.message(), scene.message()
    factories.change(
        "UPDATE message SET status = 'planned', due_at = NULL, body = NULL, "
        "compose_at = now() + interval '30 s' WHERE id = :id",
        id=planned,
    )

    with transaction() as connection:
        assert due.still_uncomposed(connection, [planned, ready]) == 1
        assert due.uncomposed(connection, per_campaign=9, lease=ledger.STALE) == [planned]


def test_only_lanes_that_may_send_and_have_something_due_are_shown(scene: Scene) -> None:
    scene.message()
    idle, paused, held, empty = Scene(), Scene(status="paused"), Scene(), Scene()
    idle_message = idle.message()
    paused.message()
    held.message()
    factories.change(
        "UPDATE message SET due_at = now() + interval '1 h' WHERE id = :id", id=idle_message
    )
    factories.change("UPDATE agent SET status = 'paused' WHERE key = :key", key=held.agent)

    assert with_work() == [(scene.campaign, scene.agent)]
    assert (empty.campaign, empty.agent) not in with_work()


def test_with_all_sending_stopped_no_lane_has_work(scene: Scene) -> None:
    scene.message()

    factories.change("UPDATE control SET stopped_at = now()")

    assert with_work() == []


def test_a_new_rate_takes_effect_when_its_time_has_come(scene: Scene) -> None:
    scene.message()
    rates = []

    for at in ("now() + interval '1 h'", "now() - interval '1 s'"):
        factories.change(f"UPDATE agent SET rate = 1, next_rate = 3, next_rate_at = {at}")
        with transaction() as connection:
            rates += [lane.rate for lane in due.with_work(connection)]

    assert rates == [1, 3]


def test_planned_messages_are_leased_to_be_composed_and_the_lease_comes_back(scene: Scene) -> None:
    wanted = scene.message(status="planned", segments=0)

    def uncomposed(lease: timedelta) -> list[int]:
        with transaction() as connection:
            return due.uncomposed(connection, per_campaign=10, lease=lease)

    assert uncomposed(timedelta(0)) == [wanted]
    assert uncomposed(timedelta(seconds=30)) == [wanted]
    assert uncomposed(timedelta(seconds=30)) == []
