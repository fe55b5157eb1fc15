"""What Twilio refuses, the carrier refuses: with its codes, its HTTP statuses and its bodies."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio.conftest import QUICK, SENDER, sdk
from tests.support.eventually import eventually

TO = "+12025550100"
SERVICE = "MG" + "5" * 32
OTHER = "AC" + "7" * 32


def refusal(client: Client, **parameters: object) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**{"to": TO, "from_": SENDER, "body": "Hi", **parameters})
    return refused.value


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"to": ""}, 21604),
        ({"to": "Ana"}, 21211),
        ({"to": "12025550100"}, 21211),
        ({"from_": ""}, 21603),
        ({"from_": "+0"}, 21212),
        ({"from_": "a sender with too long a name"}, 21212),
        ({"from_": TO}, 21266),
        ({"from_": "", "messaging_service_sid": "MG123"}, 21705),
        ({"body": ""}, 21602),
        ({"body": "a" * 1601}, 21617),
        ({"body": "😀" * 801}, 21617),
        ({"media_url": ["https://example.org/a.png"] * 11}, 21623),
        ({"media_url": ["a.png"]}, 21620),
        ({"validity_period": 36_001}, 21624),
        ({"validity_period": 0}, 21624),
        ({"status_callback": "/relative"}, 21609),
        ({"status_callback": "http://under_score.example/cb"}, 21609),
    ],
)
def test_a_create_that_breaks_a_rule_is_refused_with_twilios_code(
    carrier: Carrier, client: Client, parameters: dict[str, object], code: int
) -> None:
    error = refusal(client, **parameters)

    entry = carrier.log()[-1]
    assert (error.status, error.code) == (400, code)
    assert (entry["accepted"], entry["sid"], entry["answer"], entry["code"]) == (
        False, None, "400", code,
    )  # fmt: skip


@pytest.mark.parametrize(
    "parameters",
    [
        {"body": "a" * 1600},
        {"body": "😀" * 800},
        {"body": "", "media_url": ["https://example.org/a.png"] * 10},
        {"from_": "12345"},
        {"from_": "Volley"},
        {"validity_period": 36_000},
        {"status_callback": "https://sms.example.org:8443/cb?m=1&a=2#rc=3&rp=ct,rt,5xx"},
    ],
)
def test_a_create_at_the_very_limit_is_accepted(
    client: Client, parameters: dict[str, object]
) -> None:
    message = client.messages.create(**{"to": TO, "from_": SENDER, "body": "Hi", **parameters})

    assert message.status == "queued"


@pytest.mark.parametrize(
    ("ahead", "code"), [(None, 35111), (timedelta(minutes=5), 35115), (timedelta(days=36), 35115)]
)
def test_a_schedule_outside_the_window_is_refused(
    client: Client, ahead: timedelta | None, code: int
) -> None:
    send_at = {} if ahead is None else {"send_at": datetime.now(UTC) + ahead}

    error = refusal(
        client, from_="", messaging_service_sid=SERVICE, schedule_type="fixed", **send_at
    )

    assert error.code == code


def test_wrong_credentials_are_refused_and_logged(carrier: Carrier) -> None:
    transport = TwilioHttpClient()

    error = refusal(sdk(carrier, transport, password="wrong"))

    transport.session.close()
    assert (error.status, error.code) == (401, 20003)
    assert [(entry["answer"], entry["to"]) for entry in carrier.log()] == [("401", TO)]


def test_an_api_key_speaks_for_its_account(carrier: Carrier) -> None:
    transport = TwilioHttpClient()
    client = sdk(carrier, transport, username="SK" + carrier.account_sid[2:])

    message = client.messages.create(to=TO, from_=SENDER, body="Hi")

    transport.session.close()
    assert message.account_sid == carrier.account_sid


def test_an_unknown_account_is_not_found(carrier: Carrier, client: Client) -> None:
    client.account_sid = OTHER

    error = refusal(client)

    assert (error.status, error.code) == (404, 20404)


def test_another_accounts_messages_are_out_of_reach() -> None:
    script = {**QUICK, "accounts": [{"sid": OTHER, "auth_token": "its own"}]}
    transport = TwilioHttpClient()

    with Carrier(script=script) as carrier:
        theirs = sdk(carrier, transport, username=OTHER, password="its own")
        theirs.account_sid = OTHER
        sid = theirs.messages.create(to=TO, from_=SENDER, body="Hi").sid
        ours = sdk(carrier, transport)
        with pytest.raises(TwilioRestException) as refused:
            ours.messages(sid).fetch()
        seen = ours.messages.list()
    transport.session.close()

    assert refused.value.code == 20404
    assert seen == []


def test_an_account_with_known_senders_refuses_others() -> None:
    entry = {"sid": OTHER, "auth_token": "its own", "senders": [SENDER]}
    transport = TwilioHttpClient()

    with Carrier(script={**QUICK, "accounts": [entry]}) as carrier:
        client = sdk(carrier, transport, username=OTHER, password="its own")
        client.account_sid = OTHER
        accepted = client.messages.create(to=TO, from_=SENDER, body="Hi")
        error = refusal(client, from_="+15005550007")
    transport.session.close()

    assert accepted.status == "queued"
    assert error.code == 21606


def test_known_services_refuse_others_and_empty_ones() -> None:
    empty = "MG" + "6" * 32
    services = {SERVICE: ["+15005550008"], empty: []}
    transport = TwilioHttpClient()

    with Carrier(script={**QUICK, "services": services}) as carrier:
        client = sdk(carrier, transport)
        sid = client.messages.create(to=TO, messaging_service_sid=SERVICE, body="Hi").sid
        eventually(lambda: client.messages(sid).fetch().from_, becomes="+15005550008")
        codes = [
            refusal(client, from_="", messaging_service_sid=service).code
            for service in (empty, "MG" + "9" * 32)
        ]
    transport.session.close()

    assert codes == [21703, 21701]


def test_more_calls_at_once_than_the_account_may_make_are_refused_with_20429(
    carrier: Carrier, client: Client
) -> None:
    carrier.control(concurrency_limit=1, latency_ms=300)
    transport = TwilioHttpClient()
    first = threading.Thread(
        target=lambda: sdk(carrier, transport).messages.create(to=TO, from_=SENDER, body="Hi")
    )
    first.start()
    eventually(lambda: len(carrier.log()), becomes=1)

    error = refusal(client)

    first.join()
    transport.session.close()
    assert (error.status, error.code) == (429, 20429)
    assert [entry["answer"] for entry in carrier.log()] == ["201", "429"]
    assert client.messages.create(to=TO, from_=SENDER, body="Hi").status == "queued"


def test_every_answer_tells_how_many_calls_are_being_worked_on(client: Client) -> None:
    client.messages.create(to=TO, from_=SENDER, body="Hi")

    response = client.http_client._test_only_last_response

    assert response is not None
    assert response.headers["Twilio-Concurrent-Requests"] == "1"


def test_a_storm_refuses_everybody_and_ends(carrier: Carrier, client: Client) -> None:
    now = datetime.now(UTC).timestamp()
    carrier.control(storm_429_until=now + 60, retry_after=7)

    error = refusal(client)
    response = client.http_client._test_only_last_response
    carrier.control(storm_429_until=0)

    assert response is not None
    assert (error.code, response.headers["Retry-After"]) == (20429, "7")
    assert client.messages.create(to=TO, from_=SENDER, body="Hi").status == "queued"
