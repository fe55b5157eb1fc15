"""What a number does, by its last digits: the behaviours one by one."""

import base64
import socket

import pytest
from requests.exceptions import ChunkedEncodingError as CutOff
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import ReadTimeout
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio.conftest import QUICK, SENDER, Receiver, sdk
from tests.support.eventually import eventually

PATIENCE = 0.7  # seconds before the client gives up on an answer that never comes


def create(client: Client, digits: str, receiver: Receiver | None = None) -> str:
    callback = {} if receiver is None else {"status_callback": receiver.url}
    sid = client.messages.create(to="+1202555" + digits, from_=SENDER, body="Hi", **callback).sid
    assert sid is not None
    return sid


@pytest.mark.parametrize(
    ("digits", "status", "code"),
    [
        ("9001", "undelivered", 30003),
        ("9002", "undelivered", 30005),
        ("9003", "failed", 30008),
        ("9004", "undelivered", 30007),
        ("9009", "undelivered", 30006),
        ("9045", "failed", 30001),
        ("9049", "failed", 21610),
        ("9051", "undelivered", 30034),
    ],
)
def test_a_number_that_cannot_be_reached_ends_with_its_code(
    client: Client, receiver: Receiver, digits: str, status: str, code: int
) -> None:
    sid = create(client, digits, receiver)

    eventually(lambda: receiver.statuses()[-1:] == [status])

    message = client.messages(sid).fetch()
    assert (message.status, message.error_code) == (status, code)
    assert message.error_message
    assert receiver.got[-1].fields["ErrorCode"] == str(code)


@pytest.mark.parametrize(
    ("digits", "status", "code"),
    [
        ("9005", 400, 21211),
        ("9006", 400, 21610),
        ("9007", 400, 21614),
        ("9008", 400, 21408),
        ("9041", 401, 20003),
        ("9043", 400, 21612),
        ("9044", 429, 63038),
    ],
)
def test_a_number_that_is_refused_is_refused_every_time(
    client: Client, digits: str, status: int, code: int
) -> None:
    for _ in range(2):
        with pytest.raises(TwilioRestException) as refused:
            create(client, digits)
        assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize(
    ("sender", "code"), [("9101", 21606), ("9102", 21659), ("9103", 21660), ("9104", 21611)]
)
def test_a_sender_may_be_the_one_that_is_refused(client: Client, sender: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to="+12025550100", from_="+1500555" + sender, body="Hi")

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("digits", "status", "code"),
    [("9016", 500, 20500), ("9023", 429, 20429), ("9024", 429, 20429), ("9040", 400, 21611)],
)
def test_a_first_try_may_be_refused_and_the_second_one_accepted(
    carrier: Carrier, client: Client, digits: str, status: int, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        create(client, digits)
    sid = create(client, digits)

    assert (refused.value.status, refused.value.code) == (status, code)
    assert [entry["accepted"] for entry in carrier.log()] == [False, True]
    assert carrier.log()[-1]["sid"] == sid


def test_a_429_may_say_when_to_come_again_or_may_not(client: Client) -> None:
    waits = []
    for digits in ("9023", "9024"):
        with pytest.raises(TwilioRestException):
            create(client, digits)
        response = client.http_client._test_only_last_response
        assert response is not None
        waits.append(response.headers.get("Retry-After"))

    assert waits == ["1", None]


@pytest.mark.parametrize(("digits", "error"), [("9019", Broken), ("9021", ReadTimeout)])
def test_a_first_try_may_break_off_before_it_was_accepted(
    carrier: Carrier, client: Client, digits: str, error: type[Exception]
) -> None:
    client.http_client.timeout = PATIENCE
    with pytest.raises(error):
        create(client, digits)
    client.http_client.timeout = 10
    found = client.messages.list(to="+1202555" + digits)
    create(client, digits)

    assert found == []
    assert [entry["accepted"] for entry in carrier.log()] == [False, True]


@pytest.mark.parametrize(
    ("digits", "error"),
    [
        ("9017", TwilioException),
        ("9018", Broken),
        ("9020", ReadTimeout),
        ("9022", CutOff),
    ],
)
def test_an_answer_may_be_lost_though_the_message_goes_out(
    carrier: Carrier, client: Client, receiver: Receiver, digits: str, error: type[Exception]
) -> None:
    client.http_client.timeout = PATIENCE
    with pytest.raises(error):
        create(client, digits, receiver)
    receiver.wait(2)

    (entry,) = carrier.log()
    assert entry["accepted"]
    assert sorted(receiver.statuses()) == ["delivered", "sent"]
    assert [m.sid for m in client.messages.list(to="+1202555" + digits)] == [entry["sid"]]


def test_a_slow_loris_answer_keeps_the_client_waiting(carrier: Carrier, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", carrier.port), timeout=10) as wire:
        body = b"To=%2B12025559034&From=%2B15005550006&Body=Hi"
        wire.sendall(
            b"POST /2010-04-01/Accounts/%b/Messages.json HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Basic %b\r\nContent-Length: %d\r\n\r\n%b"
            % (carrier.account_sid.encode(), _basic(carrier), len(body), body)
        )
        first, second = wire.recv(100), wire.recv(100)

    assert (first, second) == (b"H", b"T")
    assert carrier.log()[0]["accepted"]


def test_a_slow_number_is_answered_late(client: Client) -> None:
    client.http_client.timeout = PATIENCE

    with pytest.raises(ReadTimeout):
        create(client, "9010")


def test_an_accept_without_any_evidence_is_known_to_the_log_alone(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    with pytest.raises(TwilioRestException):
        create(client, "9030", receiver)
    create(client, "0100", receiver)
    receiver.wait(2)

    assert [entry["accepted"] for entry in carrier.log()] == [True, True]
    assert client.messages.list(to="+12025559030") == []
    assert {c.fields["To"] for c in receiver.got} == {"+12025550100"}


def test_a_hang_without_callback_can_be_found_in_the_list(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    client.http_client.timeout = PATIENCE
    with pytest.raises(ReadTimeout):
        create(client, "9029", receiver)

    (found,) = client.messages.list(to="+12025559029")
    assert found.sid == carrier.log()[0]["sid"]
    assert receiver.got == []


@pytest.mark.parametrize(("digits", "last"), [("9053", "queued"), ("9015", "sent")])
def test_a_message_may_never_come_to_an_end(
    client: Client, receiver: Receiver, digits: str, last: str
) -> None:
    sid = create(client, digits, receiver)
    other = create(client, "0100", receiver)
    eventually(lambda: client.messages(other).fetch().status, becomes="delivered")

    assert client.messages(sid).fetch().status == last


def test_a_script_file_teaches_further_numbers() -> None:
    numbers = {"7777": {"does": "filtered at once", "steps": [["failed", 30007]]}}
    transport = TwilioHttpClient()

    with Carrier(script={**QUICK, "numbers": numbers}) as carrier:
        client = sdk(carrier, transport)
        sid = create(client, "7777")
        eventually(lambda: client.messages(sid).fetch().error_code, becomes=30007)
        table = carrier.ask("/script")
    transport.session.close()

    assert table["7777"] == "filtered at once"
    assert table["9001"].startswith("undelivered")
    assert "from 9101" in table


def test_scripted_numbers_can_be_switched_off_for_large_ranges(
    carrier: Carrier, client: Client
) -> None:
    carrier.control(scripted_numbers=False)

    assert create(client, "9005").startswith("SM")


def _basic(carrier: Carrier) -> bytes:
    return base64.b64encode(f"{carrier.account_sid}:{carrier.auth_token}".encode())
