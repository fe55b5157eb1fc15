"""Openers composed without a model."""

from shared.queue.jobs import ComposeOpeners
from tests.support import factories
from tests.support.factories import change, rows
from worker.compose.openers import compose


def planned(template: str, count: int = 1, **settings: object) -> list[int]:
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent, settings={"template": template} | settings)
    return factories.messages(campaign, agent, count, planned=True, fields={"name": "Ana"})


def job(ids: list[int]) -> ComposeOpeners:
    return ComposeOpeners(message_ids=tuple(ids))


def test_a_planned_message_gets_its_words_and_is_due_at_once(database: str) -> None:
    ids = planned("Hi {name} – see you")

    compose(job(ids))

    ((status, body, encoding, segments, is_due),) = rows(
        "SELECT status, body, encoding, segments, due_at <= now() FROM message"
    )
    assert (status, is_due) == ("ready", True)
    assert (body, encoding, segments) == ("Hi Ana – see you", "UCS-2", 1)


def test_composing_twice_changes_no_word(database: str) -> None:
    ids = planned("Hi {name}")
    compose(job(ids))
    change('UPDATE campaign SET settings = settings || \'{"template": "Hello {name}"}\'')

    compose(job(ids))

    assert rows("SELECT body FROM message") == [("Hi Ana",)]


def test_a_long_opener_is_cut_into_parts(database: str) -> None:
    ids = planned("{name} " + "word " * 60, split_at=160)

    compose(job(ids))

    ((body, cuts),) = rows("SELECT body, cuts FROM message")
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert len(pieces) > 1
    assert all(0 < len(piece) <= 160 for piece in pieces)


def test_an_opener_longer_than_ten_parts_cancels_its_message_with_the_reason(
    database: str,
) -> None:
    ids = planned("{name} " + "word " * 400, split_at=160)

    compose(job(ids))

    ((status, reason, compose_at),) = rows("SELECT status, error_message, compose_at FROM message")
    assert (status, compose_at) == ("cancelled", None)
    assert "ten parts" in reason
    assert [kind for (kind,) in rows("SELECT kind FROM event")] == ["cancelled"]


def test_a_message_that_is_no_longer_planned_is_left_alone(database: str) -> None:
    ids = planned("Hi {name}", 2)
    change("UPDATE message SET status = 'cancelled', compose_at = NULL WHERE id = :id", id=ids[0])

    compose(job(ids))

    assert rows("SELECT status, body FROM message ORDER BY id") == [
        ("cancelled", None),
        ("ready", "Hi Ana"),
    ]


def test_a_message_that_cannot_be_worded_does_not_hold_up_the_others(database: str) -> None:
    ids = planned("Hi {name}", 2)
    change("UPDATE recipient SET fields = '{}' WHERE id = :id", id=ids[0])

    compose(job(ids))

    ((status,),) = rows("SELECT status FROM message WHERE id = :id", id=ids[1])
    assert status == "ready"


def test_messages_that_are_gone_are_nothing_to_do(database: str) -> None:
    compose(job([999]))

    assert rows("SELECT 1 FROM message") == []
