"""What people are told of campaigns and messages: why they wait, and what became of each call."""

from datetime import timedelta

import pytest

from scheduler.campaigns import status
from shared.db.session import transaction
from shared.domain.instants import instant, spoken
from shared.ledger.holds import NewHold, hold
from tests.support import factories
from tests.support.ledger import TODAY, TOMORROW, Scene, claim, doubt, park, proved_not_gone


@pytest.fixture
def scene(database: str) -> Scene:
    return Scene()


def held(scene: Scene, scope: str, subject: str = "", *, seconds: float | None = 3600) -> None:
    new = NewHold(scene.agent, scope, subject, 21408, seconds, "Enable the country.")
    with transaction() as connection:
        hold(connection, new)


def texts(message_id: int) -> list[str]:
    return [entry.text for entry in status.message(message_id).timeline]


def test_a_held_country_is_named_with_its_calling_code_and_leaves_no_false_end(
    scene: Scene,
) -> None:
    scene.message()
    before = status.campaign(scene.campaign)

    held(scene, "country", "+447700900123")
    factories.change("UPDATE message SET due_at = now() + interval '1 h'")
    after = status.campaign(scene.campaign)

    assert (before.reason, before.eta_seconds is None) == (None, False)
    assert after.eta_seconds is None
    assert "texts to +44 held by error 21408 until 20" in str(after.reason)
    assert str(after.reason).endswith("UTC: Enable the country")


def test_a_hold_of_the_account_takes_its_agents_out_of_the_pace(scene: Scene) -> None:
    scene.message()

    held(scene, "account", seconds=60)
    shown = status.campaigns(status="running")[0]

    assert (shown.rate, shown.eta_seconds) == (0, None)
    assert "its account held by error 21408" in str(shown.reason)


def test_an_agent_whose_senders_are_all_held_adds_nothing_to_the_pace(scene: Scene) -> None:
    scene.message()
    numbers = [row.number for row in factories.rows("SELECT number FROM sender ORDER BY key")]

    held(scene, "sender", numbers[0])
    one = status.campaign(scene.campaign).rate
    held(scene, "sender", numbers[1])
    shown = status.campaign(scene.campaign)

    assert one > 0
    assert (shown.rate, shown.eta_seconds) == (0, None)
    assert f"sender {numbers[1]} held by error 21408" in str(shown.reason)


def test_a_long_queue_of_holds_is_counted_and_not_listed(scene: Scene) -> None:
    scene.message()
    for number in ("+447700900123", "+33612345678", "+4915123456789", "+390612345678", "+34600"):
        held(scene, "country", number)

    reason = str(status.campaign(scene.campaign).reason)

    assert reason.count("error 21408") == 3
    assert "2 more holds: 'volley agent list'" in reason


def test_calls_in_doubt_are_told_with_when_they_will_be_decided(scene: Scene) -> None:
    doubt(scene.claimed())
    doubt(scene.claimed())

    (shown,) = status.progress([scene.campaign])

    assert str(shown.reason).startswith("2 calls in doubt: looked for again at 20")
    assert ", verdict by 20" in str(shown.reason)
    assert shown.eta_seconds is None


def test_a_call_that_is_under_way_is_no_doubt_until_it_must_have_ended(scene: Scene) -> None:
    scene.claimed()
    young = status.campaign(scene.campaign)

    factories.change("UPDATE attempt SET claimed_at = claimed_at - :ago", ago=timedelta(seconds=20))
    old = status.campaign(scene.campaign)

    assert (young.reason, young.eta_seconds is None) == (None, False)
    assert str(old.reason).startswith("1 call in doubt")


def test_a_look_to_come_is_told_as_one_to_come(scene: Scene) -> None:
    sending = scene.claimed()

    coming = texts(sending.message_id)[-1]
    factories.change("UPDATE attempt SET check_at = now() - interval '1 s'")
    due = [text for text in texts(sending.message_id) if "no outcome yet" in text]

    assert "no outcome yet; it will be looked for at 20" in coming
    assert due[0].endswith("it is about to be looked for.")


def test_what_was_seen_first_is_still_told_after_the_verdict(scene: Scene) -> None:
    returned, parked = scene.claimed(), scene.claimed()
    for sending in (returned, parked):
        doubt(sending)
        doubt(sending)  # the answer to its commit was lost

    open_ = texts(returned.message_id)
    proved_not_gone(returned)
    park(parked)

    assert [text for text in open_ if "ambiguous" in text] == [
        "Part 1, attempt 1: ambiguous: time-out."
    ]
    assert "Part 1, attempt 1: ambiguous: time-out." in texts(returned.message_id)
    assert "proved not gone" in texts(returned.message_id)[-1]
    assert [text for text in texts(parked.message_id) if "time-out" in text] == [
        "Part 1, attempt 1: ambiguous: time-out."
    ]
    assert "it may have gone" in texts(parked.message_id)[-1]


def test_a_receipts_code_is_put_into_words_and_is_no_fault_of_the_call(scene: Scene) -> None:
    sending = scene.claimed()
    factories.change(
        "UPDATE attempt SET status = 'undelivered', sid = 'SM1', outcome = 'accepted', "
        "recorded_at = now(), error_code = 30004, check_at = NULL"
    )
    factories.change("UPDATE message SET status = 'undelivered', error_code = 30004")

    shown = status.message(sending.message_id)
    (listed,) = status.messages(scene.campaign)

    assert "Part 1, attempt 1: accepted as SM1." in texts(sending.message_id)
    assert shown.error_message == listed.error_message
    assert len(str(shown.error_message)) > 10


def limit(number: str, *, used: int, most: int = 2000, per_second: float | None = None) -> None:
    factories.change(
        "INSERT INTO sender_limit (number, segments_per_second, segments_per_day, day, used) "
        f"VALUES (:number, :per_second, :most, {TODAY}, :used)",
        number=number, per_second=per_second, most=most, used=used,
    )  # fmt: skip


def test_a_sender_that_has_used_its_day_is_named_with_when_it_goes_on(scene: Scene) -> None:
    first, second = scene.senders
    limit(first, used=2000)
    message = scene.message()

    one = status.campaign(scene.campaign)
    limit(second, used=2000)
    claim(scene.hint())
    both = status.campaign(scene.campaign)

    said = f"sender {first} has used its 2,000 segments of today; it goes on at "
    ((tomorrow,),) = factories.rows(f"SELECT {TOMORROW}")
    assert said + spoken(tomorrow) in str(one.reason)
    assert one.rate > 0
    assert f"sender {second} has used its 2,000 segments" in str(both.reason)
    assert (both.rate, both.eta_seconds) == (0, None)
    assert both.counts == {"ready": 1}
    assert status.message(message).due_at == instant(tomorrow)


def test_a_sender_with_too_little_left_for_the_next_text_says_so(scene: Scene) -> None:
    for number in scene.senders:
        limit(number, used=1998)
    scene.message(segments=3)

    claim(scene.hint())
    reason = str(status.campaign(scene.campaign).reason)

    assert "has used 1,998 of its 2,000 segments of today, too many for the next text" in reason


def test_the_pace_of_a_campaign_is_no_more_than_its_senders_carry(scene: Scene) -> None:
    scene.message(segments=3)
    scene.message(segments=1)
    without = status.campaign(scene.campaign).rate

    limit(scene.senders[0], used=0, per_second=1)
    one = status.campaign(scene.campaign).rate
    limit(scene.senders[1], used=0, per_second=2)
    both = status.campaign(scene.campaign)

    assert (without, one, both.rate) == (5, 5, 1.5)
    assert both.eta_seconds == pytest.approx(2 / 1.5, abs=0.1)
