"""Callbacks: what they say, that they are signed, in which order they come, and when again."""

import socket

import pytest
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from deploy.simulators.twilio.callbacks import sign
from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio.conftest import SENDER, Callback, Receiver
from tests.support.eventually import eventually


def create(client: Client, to: str, url: str) -> str:
    sid = client.messages.create(to=to, from_=SENDER, body="Hi", status_callback=url).sid
    assert sid is not None
    return sid


def genuine(carrier: Carrier, callback: Callback) -> bool:
    return RequestValidator(carrier.auth_token).validate(
        callback.url, callback.fields, callback.headers["X-Twilio-Signature"]
    )


def test_a_message_is_called_back_as_sent_and_as_delivered(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    sid = create(client, "+12025550100", receiver.url)

    receiver.wait(2)

    told = {callback.fields["MessageStatus"]: callback.fields for callback in receiver.got}
    assert sorted(told) == ["delivered", "sent"]
    assert told["sent"] == {
        "ApiVersion": "2010-04-01",
        "SmsSid": sid,
        "SmsStatus": "sent",
        "To": "+12025550100",
        "From": SENDER,
        "MessageSid": sid,
        "AccountSid": carrier.account_sid,
        "MessageStatus": "sent",
    }
    assert "RawDlrDoneDate" in told["delivered"]


@pytest.mark.parametrize(
    "query",
    ["", "?m=17&a=tok-en", "?b=2&a=1&b=1&empty=", "?name=J%C3%BCrgen%20M+x&enc=%2F%3d"],
)
def test_twilios_own_validator_accepts_the_signature_whatever_the_query(
    carrier: Carrier, client: Client, receiver: Receiver, query: str
) -> None:
    create(client, "+12025550100", receiver.url + query + "#rc=2&rp=5xx")

    receiver.wait(2)

    assert [callback.url for callback in receiver.got] == [receiver.url + query] * 2
    assert all(genuine(carrier, callback) for callback in receiver.got)


def test_repeated_parameters_are_signed_as_the_validator_reads_them() -> None:
    fields = [("b", "2"), ("a", "1"), ("b", "1"), ("b", "2")]

    signature = sign("https://sms.example.org/cb", fields, "token")

    params = {"a": ["1"], "b": ["2", "1", "2"]}
    assert signature == RequestValidator("token").compute_signature(
        "https://sms.example.org/cb", _Multi(params)
    )


def test_backwards_means_delivered_comes_before_sent(client: Client, receiver: Receiver) -> None:
    create(client, "+12025559012", receiver.url)

    receiver.wait(2)

    assert receiver.statuses() == ["delivered", "sent"]


@pytest.mark.parametrize(("digits", "times"), [("9011", 2), ("9028", 3)])
def test_a_callback_may_come_several_times_with_the_same_token(
    client: Client, receiver: Receiver, digits: str, times: int
) -> None:
    create(client, "+1202555" + digits, receiver.url)

    receiver.wait(2 * times)

    tokens = {c.headers["I-Twilio-Idempotency-Token"] for c in receiver.got}
    assert sorted(receiver.statuses()) == ["delivered"] * times + ["sent"] * times
    assert len(tokens) == 2


def test_callbacks_may_come_before_the_201(client: Client, receiver: Receiver) -> None:
    create(client, "+12025559013", receiver.url)

    assert sorted(receiver.statuses()) == ["delivered", "sent"]


def test_no_callback_at_all_though_a_fetch_shows_the_delivery(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    sid = create(client, "+12025559014", receiver.url)

    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    assert carrier.callbacks() == []


def test_the_callback_of_the_delivery_may_be_missing(client: Client, receiver: Receiver) -> None:
    sid = create(client, "+12025559025", receiver.url)

    receiver.wait(1)
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    assert receiver.statuses() == ["sent"]


def test_a_forged_callback_comes_with_the_true_one_and_does_not_validate(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    create(client, "+12025559031", receiver.url)

    receiver.wait(4)

    assert [(c.fields["MessageStatus"], genuine(carrier, c)) for c in receiver.got] == [
        ("failed", False), ("sent", True), ("failed", False), ("delivered", True),
    ]  # fmt: skip


def test_a_callback_may_name_an_account_that_is_not_ours(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    create(client, "+12025559032", receiver.url)

    receiver.wait(4)

    ours = [c.fields["AccountSid"] == carrier.account_sid for c in receiver.got]
    assert ours == [False, True, False, True]


def test_callbacks_may_be_replayed_after_the_end(client: Client, receiver: Receiver) -> None:
    create(client, "+12025559033", receiver.url)

    receiver.wait(4)

    first, second = receiver.got[:2], receiver.got[2:]
    assert [sorted(c.fields["MessageStatus"] for c in turn) for turn in (first, second)] == [
        ["delivered", "sent"]
    ] * 2
    assert {c.headers["I-Twilio-Idempotency-Token"] for c in first} == {
        c.headers["I-Twilio-Idempotency-Token"] for c in second
    }


def test_late_callbacks_leave_the_truth_on_time(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(callback_delay_ms=400)
    sid = create(client, "+12025550100", receiver.url)

    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")
    early = list(receiver.got)
    receiver.wait(2)

    assert early == []
    assert sorted(receiver.statuses()) == ["delivered", "sent"]


def test_by_default_a_server_error_is_not_tried_again(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    receiver.answers = [500]
    create(client, "+12025550100", receiver.url)

    receiver.wait(2)

    assert sorted(receiver.statuses()) == ["delivered", "sent"]


def test_the_fragment_asks_for_retries_of_server_errors(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(delivered_ms=(2000, 2000))
    receiver.answers = [500, 503]
    create(client, "+12025550100", receiver.url + "?m=1#rc=3&rp=ct,rt,5xx")

    receiver.wait(3)
    eventually(lambda: len(carrier.callbacks()), becomes=3)

    tokens = {c.headers["I-Twilio-Idempotency-Token"] for c in receiver.got}
    tries = [(post["number"], post["answer"]) for post in carrier.callbacks()]
    assert tries == [(1, "500"), (2, "503"), (3, "204")]
    assert len(tokens) == 1


def test_retries_end_with_their_count(carrier: Carrier, client: Client, receiver: Receiver) -> None:
    carrier.control(delivered_ms=(2000, 2000))
    receiver.answers = [404] * 9
    create(client, "+12025559054", receiver.url + "#rc=2&rp=all")

    eventually(lambda: len(carrier.callbacks()), becomes=3)
    eventually(lambda: carrier.ask("/stats")["to_come"], becomes=0)

    assert len(receiver.got) == 3


def test_an_endpoint_that_is_down_is_tried_once_more_by_default(
    carrier: Carrier, client: Client
) -> None:
    create(client, "+12025559054", "http://127.0.0.1:1/cb")

    eventually(lambda: len(carrier.callbacks()), becomes=2)

    assert {post["answer"] for post in carrier.callbacks()} == {"no connection"}


def test_a_silent_endpoint_times_out_as_the_fragment_says(carrier: Carrier, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        create(client, "+12025559054", f"http://127.0.0.1:{port}/cb#rt=150&rc=1&rp=rt")
        eventually(lambda: len(carrier.callbacks()), becomes=2)

    assert {post["answer"] for post in carrier.callbacks()} == {"no answer in time"}


def test_connections_to_the_receiver_are_used_again(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(callback_connections=1)
    for n in range(5):
        create(client, f"+1202555010{n}", receiver.url)

    receiver.wait(10)

    assert sorted(receiver.statuses()) == ["delivered"] * 5 + ["sent"] * 5


class _Multi(dict[str, list[str]]):
    """A framework's multi-valued form, as RequestValidator knows it."""

    def getlist(self, name: str) -> list[str]:
        return self[name]
