"""The real Twilio SDK creates, fetches, lists, cancels, redacts and deletes messages."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio.conftest import SENDER
from tests.support.eventually import eventually

SERVICE = "MG" + "5" * 32


def test_a_created_message_is_a_whole_message_resource(client: Client) -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    message = client.messages.create(to="+12025550100", from_=SENDER, body="Hello Ana")

    assert message.sid.startswith("SM") and len(message.sid) == 34
    assert (message.status, message.direction) == ("queued", "outbound-api")
    assert (message.num_segments, message.num_media, message.price) == ("1", "0", None)
    assert before <= message.date_created <= datetime.now(UTC)
    assert message.date_sent is None and message.error_code is None


def test_a_message_is_delivered_in_the_end(client: Client) -> None:
    sid = client.messages.create(to="+12025550100", from_=SENDER, body="Hello").sid

    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    assert client.messages(sid).fetch().date_sent is not None


def test_a_long_text_is_counted_in_segments(client: Client) -> None:
    plain = client.messages.create(to="+12025550100", from_=SENDER, body="a" * 161)
    wide = client.messages.create(to="+12025550100", from_=SENDER, body="ñ–" * 36)

    assert (plain.num_segments, wide.num_segments) == ("2", "2")


def test_smart_encoding_changes_the_body(client: Client) -> None:
    message = client.messages.create(
        to="+12025550100", from_=SENDER, body="It’s “on”", smart_encoded=True
    )

    assert message.body == 'It\'s "on"'


def test_a_messaging_service_accepts_first_and_chooses_its_sender_later(client: Client) -> None:
    message = client.messages.create(to="+12025550100", messaging_service_sid=SERVICE, body="Hi")

    assert (message.status, message.from_, message.num_segments) == ("accepted", None, "0")
    eventually(lambda: client.messages(message.sid).fetch().status, becomes="delivered")
    assert client.messages(message.sid).fetch().from_ == SENDER


def test_the_list_is_newest_first_and_filtered_by_to_and_from(client: Client) -> None:
    first = client.messages.create(to="+12025550100", from_=SENDER, body="one")
    client.messages.create(to="+12025550101", from_=SENDER, body="another person")
    client.messages.create(to="+12025550100", from_="+15005550007", body="another sender")
    last = client.messages.create(to="+12025550100", from_=SENDER, body="two")

    found = client.messages.list(to="+12025550100", from_=SENDER)

    assert [message.sid for message in found] == [last.sid, first.sid]


def test_pages_hold_every_message_once_though_more_come_meanwhile(client: Client) -> None:
    sids = [
        client.messages.create(to="+12025550100", from_=SENDER, body=str(n)).sid for n in range(7)
    ]

    page = client.messages.page(to="+12025550100", page_size=3)
    found = [message.sid for message in page]
    client.messages.create(to="+12025550100", from_=SENDER, body="came meanwhile")
    while (page := page.next_page()) is not None:
        found += [message.sid for message in page]

    assert found == sids[::-1]


def test_the_sdk_walks_through_all_pages(client: Client) -> None:
    for n in range(5):
        client.messages.create(to="+12025550100", from_=SENDER, body=str(n))

    bodies = [message.body for message in client.messages.stream(page_size=2)]

    assert bodies == ["4", "3", "2", "1", "0"]


def test_the_list_can_be_filtered_by_the_day_of_sending(client: Client) -> None:
    sid = client.messages.create(to="+12025550100", from_=SENDER, body="Hi").sid
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")
    today = datetime.now(UTC)

    tomorrow = today + timedelta(days=1)

    assert len(client.messages.list(date_sent_after=today - timedelta(days=1))) == 1
    assert client.messages.list(date_sent_after=tomorrow) == []


def test_a_lagging_list_shows_a_message_later_than_a_fetch(
    carrier: Carrier, client: Client
) -> None:
    carrier.control(list_lag_seconds=0.4)

    sid = client.messages.create(to="+12025550100", from_=SENDER, body="Hi").sid

    assert client.messages(sid).fetch().sid == sid
    assert client.messages.list(to="+12025550100") == []
    eventually(lambda: len(client.messages.list(to="+12025550100")), becomes=1)


def test_a_list_that_is_down_says_so(carrier: Carrier, client: Client) -> None:
    carrier.control(list_down=True)

    with pytest.raises(TwilioException, match=r'HTTP 503 {"code":20503'):
        client.messages.list()


def test_a_queued_message_can_be_canceled_and_goes_no_further(
    carrier: Carrier, client: Client
) -> None:
    carrier.control(sent_ms=(300, 300), delivered_ms=(300, 300))
    sid = client.messages.create(to="+12025550100", from_=SENDER, body="Hi").sid

    canceled = client.messages(sid).update(status="canceled")
    time.sleep(0.35)

    assert canceled.status == "canceled"
    assert client.messages(sid).fetch().status == "canceled"


def test_a_delivered_message_cannot_be_canceled(client: Client) -> None:
    sid = client.messages.create(to="+12025550100", from_=SENDER, body="Hi").sid
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    with pytest.raises(TwilioRestException) as refused:
        client.messages(sid).update(status="canceled")

    assert refused.value.code == 30409


def test_a_finished_message_can_be_redacted_and_deleted(client: Client) -> None:
    sid = client.messages.create(to="+12025550100", from_=SENDER, body="private").sid
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    redacted = client.messages(sid).update(body="")
    client.messages(sid).delete()

    assert redacted.body == ""
    assert client.messages.list() == []
    with pytest.raises(TwilioRestException) as refused:
        client.messages(sid).fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)


def test_a_message_on_its_way_cannot_be_deleted(carrier: Carrier, client: Client) -> None:
    sid = client.messages.create(to="+12025559053", from_=SENDER, body="Hi").sid

    with pytest.raises(TwilioRestException) as refused:
        client.messages(sid).delete()

    assert (refused.value.status, refused.value.code) == (409, 20009)


def test_a_scheduled_message_waits_for_its_hour(client: Client) -> None:
    message = client.messages.create(
        to="+12025550100",
        messaging_service_sid=SERVICE,
        body="Hi",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )

    assert message.status == "scheduled"
    assert client.messages(message.sid).update(status="canceled").status == "canceled"


def test_without_a_messaging_service_scheduling_is_dropped(client: Client) -> None:
    message = client.messages.create(
        to="+12025550100",
        from_=SENDER,
        body="Hi",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )

    assert message.status == "queued"
    eventually(lambda: client.messages(message.sid).fetch().status, becomes="delivered")


def test_credentials_can_be_checked_by_fetching_the_account(
    carrier: Carrier, client: Client
) -> None:
    account = client.api.accounts(carrier.account_sid).fetch()

    assert (account.sid, account.status) == (carrier.account_sid, "active")
