"""The ground truth, the dials, the drawn faults, and people who answer."""

import socket
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPConnection
from urllib.error import HTTPError

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from deploy.simulators.twilio.admin import ENDPOINTS
from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio.conftest import QUICK, SENDER, Receiver, sdk
from tests.support.eventually import eventually


def test_the_log_holds_every_create_as_it_arrived(carrier: Carrier, client: Client) -> None:
    carrier.control(latency_ms=300)
    before = time.time()
    sid = client.messages.create(
        to="+12025550100", from_=SENDER, body="Hi é", status_callback="http://127.0.0.1:1/a?b#rc=0"
    ).sid
    after = time.time()

    (entry,) = carrier.log()

    assert before <= entry.pop("at") <= after - 0.3
    assert entry == {
        "n": 1,
        "sid": sid,
        "account_sid": carrier.account_sid,
        "to": "+12025550100",
        "from": SENDER,
        "messaging_service_sid": None,
        "body": "Hi é",
        "status_callback": "http://127.0.0.1:1/a?b#rc=0",
        "answer": "201",
        "code": None,
        "accepted": True,
    }


def test_the_log_is_read_on_from_where_one_stopped(carrier: Carrier, client: Client) -> None:
    for n in range(5):
        client.messages.create(to="+12025550100", from_=SENDER, body=str(n))

    page = carrier.ask("/log?after=1&limit=3")
    rest = carrier.ask(f"/log?after={page['next']}")

    assert [entry["body"] for entry in page["entries"]] == ["1", "2", "3"]
    assert [(entry["n"], entry["body"]) for entry in rest["entries"]] == [(5, "4")]
    assert carrier.ask(f"/log?after={rest['next']}") == {"entries": [], "next": 5}


def test_the_counts_agree_with_the_log(carrier: Carrier, client: Client) -> None:
    client.messages.create(to="+12025550100", from_=SENDER, body="Hi")
    with pytest.raises(TwilioRestException):
        client.messages.create(to="+12025559006", from_=SENDER, body="Hi")

    stats = carrier.ask("/stats")

    assert (stats["creates"], stats["accepted"], stats["messages"]) == (2, 1, 1)
    assert stats["answers"] == {"201": 1, "400": 1}


def test_a_reset_forgets_everything_but_the_dials(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(sent_ms=(200, 200), delivered_ms=(200, 200))
    client.messages.create(to="+12025550100", from_=SENDER, body="Hi", status_callback=receiver.url)

    carrier.ask("/reset", {})
    time.sleep(0.3)

    assert (carrier.log(), carrier.callbacks(), client.messages.list()) == ([], [], [])
    assert carrier.ask("/control")["sent_ms"] == [200, 200]


@pytest.mark.parametrize(
    "change",
    [{"latency": 5}, {"latency_ms": -1}, {"fault_rates": {"429": 2}}, {"sent_ms": [5, 1]}],
)
def test_a_dial_that_does_not_exist_or_cannot_be_so_is_refused(
    carrier: Carrier, change: dict[str, object]
) -> None:
    before = carrier.ask("/control")

    with pytest.raises(HTTPError) as refused:
        carrier.control(**change)

    refused.value.close()
    assert refused.value.code == 400
    assert carrier.ask("/control") == before


def test_faults_are_drawn_at_their_rates_and_the_same_from_the_same_seed() -> None:
    rates = {"429": 0.2, "500_before": 0.2, "500_after": 0.2}
    runs = []
    for _ in range(2):
        transport = TwilioHttpClient()
        with Carrier(seed=7, script={**QUICK, "fault_rates": rates}) as carrier:
            client = sdk(carrier, transport)
            for n in range(100):
                with suppress(TwilioRestException):
                    client.messages.create(to=f"+12025550{n:03d}", from_=SENDER, body="Hi")
            runs.append([entry["answer"] for entry in carrier.log()])
        transport.session.close()

    counts = Counter(runs[0])
    assert runs[0] == runs[1]
    assert set(counts) == {"201", "429", "500_before", "500_after"}
    assert all(5 <= counts[answer] <= 60 for answer in counts)


def test_callbacks_can_be_dropped_for_everybody(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(callbacks={"drop": 1})

    sid = client.messages.create(
        to="+12025550100", from_=SENDER, body="Hi", status_callback=receiver.url
    ).sid
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")

    assert carrier.callbacks() == []


def test_a_person_answers_stop_and_is_not_texted_again(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(inbound_url=receiver.url)
    client.messages.create(to="+12025559026", from_=SENDER, body="Hi")

    (inbound,) = receiver.wait(1)
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to="+12025559026", from_=SENDER, body="Hi again")

    fields = inbound.fields
    assert (fields["From"], fields["To"], fields["Body"]) == ("+12025559026", SENDER, "STOP")
    assert RequestValidator(carrier.auth_token).validate(
        inbound.url, fields, inbound.headers["X-Twilio-Signature"]
    )
    assert refused.value.code == 21610


def test_a_person_may_text_at_any_time_and_opt_in_again(
    carrier: Carrier, client: Client, receiver: Receiver
) -> None:
    carrier.control(inbound_url=receiver.url)
    for body in ("Stop", "START"):
        carrier.ask("/inbound", {"from": "+12025550100", "to": SENDER, "body": body})

    receiver.wait(2)
    message = client.messages.create(to="+12025550100", from_=SENDER, body="Welcome back")

    assert sorted(c.fields["Body"] for c in receiver.got) == ["START", "Stop"]
    assert message.status == "queued"
    assert Counter(m.direction for m in client.messages.list()) == {
        "inbound": 2,
        "outbound-api": 1,
    }


def test_an_unknown_address_is_not_found_in_twilios_words(carrier: Carrier) -> None:
    with pytest.raises(HTTPError) as refused:
        carrier.ask("/2010-04-01/Nowhere.json")

    with refused.value as answer:
        assert answer.code == 404
        assert b'"code":20404' in answer.read()


PAGE = "http://evil.example"


@pytest.mark.parametrize("name", list(ENDPOINTS))
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name that leads to 127.0.0.1 now
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:{port}"},
        {"Host": "evil.example", "Origin": "http://127.0.0.1:{port}"},
        {"Host": ""},
        {"Origin": PAGE},  # a form, or a script that does not wait for an answer
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},  # another server of this machine
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
    ],
)
def test_no_page_of_the_web_is_answered(
    carrier: Carrier, name: str, headers: dict[str, str]
) -> None:
    before = carrier.ask("/control")
    method, path = name.split()

    given = {key: value.format(port=carrier.port) for key, value in headers.items()}
    status, body = asked(carrier, method, path, given, b'{"latency_ms": 9}')

    assert (status, b"creates" in body, b"latency_ms" in body) == (403, False, False)
    assert carrier.ask("/control") == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost"},
        {"Host": "LocalHost:{port}"},
        {"Host": "[::1]:{port}"},
        {"Origin": "http://127.0.0.1:{port}"},
    ],
)
def test_whoever_asks_from_here_is_answered(carrier: Carrier, headers: dict[str, str]) -> None:
    given = {key: value.format(port=carrier.port) for key, value in headers.items()}

    status, _ = asked(carrier, "POST", "/control", given, b'{"latency_ms": 9}')

    assert (status, carrier.ask("/control")["latency_ms"]) == (200, 9)


def test_two_hosts_are_none(carrier: Carrier) -> None:
    head = b"GET /log HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", carrier.port), timeout=10) as line:
        line.sendall(head)
        answer = line.recv(4096)

    assert answer.startswith(b"HTTP/1.1 403 ")


def asked(
    carrier: Carrier, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """Status and body of the answer to a request with these headers."""
    connection = HTTPConnection("127.0.0.1", carrier.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for key, value in headers.items():
        connection.putheader(key, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_taken_port_is_said_so(carrier: Carrier) -> None:
    with pytest.raises(OSError, match="in use"):
        Carrier(port=carrier.port).start()
