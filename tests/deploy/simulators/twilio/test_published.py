"""Every answer is what Twilio's published API says: the real SDK asks, a table of fields judges."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from deploy.simulators.twilio.server import Carrier
from tests.deploy.simulators.twilio import published
from tests.deploy.simulators.twilio.conftest import QUICK, SENDER
from tests.deploy.simulators.twilio.published import faults
from tests.support.eventually import eventually

TO = "+12025550100"
SERVICE = "MG" + "5" * 32
PICTURES = ["https://example.org/a.png", "https://example.org/b.gif?x=1", "https://example.org/c"]
EVERY_PARAMETER: dict[str, Any] = {
    "to": TO,
    "body": "Hello Ana",
    "media_url": PICTURES,
    "status_callback": "https://example.org/cb",
    "application_sid": "AP" + "a" * 32,
    "max_price": 0.5,
    "provide_feedback": True,
    "attempt": 2,
    "validity_period": 600,
    "force_delivery": False,
    "content_retention": "retain",
    "address_retention": "obfuscate",
    "smart_encoded": True,
    "persistent_action": ["geo:37.7,-122.4|Office"],
    "traffic_type": "free",
    "shorten_urls": True,
    "send_as_mms": True,
    "content_sid": "HX" + "b" * 32,
    "content_variables": '{"1": "Ana"}',
    "message_intent": "marketing",
    "risk_check": "disable",
    "fallback_from": "+15005550008",
    "messaging_service_sid": SERVICE,
    "schedule_type": "fixed",
    "from_": SENDER,
}


class Wire:
    """Plain HTTP to the carrier, as its only account: what the SDK leaves out of its objects."""

    def __init__(self, carrier: Carrier) -> None:
        self.session = requests.Session()
        self.session.auth = carrier.account_sid, carrier.auth_token
        self.base = f"{carrier.url}/2010-04-01/Accounts/{carrier.account_sid}"
        self.origin = carrier.url

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Any request; the path is one below the account's."""
        return self.session.request(method, self.base + path, timeout=10, **more)

    def json(self, path: str) -> dict[str, Any]:
        """What a GET answers; the path is below the account's, or a URI out of an answer."""
        base = self.origin if path.startswith("/2010-04-01/") else self.base
        answer = self.session.get(base + path, timeout=10)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def wire(carrier: Carrier) -> Iterator[Wire]:
    wire = Wire(carrier)
    yield wire
    wire.session.close()


def last_document(client: Client) -> dict[str, Any]:
    response = client.http_client._test_only_last_response
    assert response is not None
    document: dict[str, Any] = requests.models.complexjson.loads(response.text)  # type: ignore[attr-defined]
    return document


def delivered(client: Client, **parameters: Any) -> str:
    sid = client.messages.create(
        **{"to": TO, "from_": SENDER, "body": "Hello Ana", **parameters}
    ).sid
    eventually(lambda: client.messages(sid).fetch().status, becomes="delivered")
    return str(sid)


def refused(act: Any, *arguments: Any, **named: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as refusal:
        act(*arguments, **named)
    return refusal.value


def test_a_create_with_every_documented_parameter_is_a_published_message(client: Client) -> None:
    when = datetime.now(UTC) + timedelta(hours=1)

    message = client.messages.create(**EVERY_PARAMETER, send_at=when)

    document = last_document(client)
    assert faults(document, published.MESSAGE_FIELDS) == []
    assert (message.status, message.num_media, message.messaging_service_sid) == (
        "scheduled", "3", SERVICE,
    )  # fmt: skip
    assert message.sid.startswith("MM")
    assert (document["price"], document["price_unit"]) == (None, None)
    assert list(document["subresource_uris"]) == ["media"]


def test_the_sdk_knows_no_parameter_that_the_create_was_not_tried_with() -> None:
    from twilio.rest.api.v2010.account.message import MessageList

    code = MessageList.create.__code__
    known = set(code.co_varnames[1 : code.co_argcount])

    assert known == {*EVERY_PARAMETER, "send_at"}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"application_sid": "AP123"}, 30400),
        ({"max_price": "cheap"}, 21627),
        ({"attempt": "first"}, 30400),
        ({"content_retention": "keep"}, 30400),
        ({"address_retention": "hide"}, 30400),
        ({"traffic_type": "paid"}, 30400),
        ({"schedule_type": "optimize"}, 30400),
        ({"risk_check": "maybe"}, 30400),
        ({"content_sid": "HX1"}, 21655),
        ({"content_sid": "HX" + "b" * 32, "content_variables": "Ana"}, 21656),
        ({"content_sid": "HX" + "b" * 32, "content_variables": "[1]"}, 21656),
    ],
)
def test_a_value_that_is_not_published_for_its_parameter_is_refused(
    client: Client, parameters: dict[str, Any], code: int
) -> None:
    error = refused(
        client.messages.create, **{"to": TO, "from_": SENDER, "body": "Hi", **parameters}
    )

    assert (error.status, error.code) == (400, code)


def test_an_unknown_parameter_is_ignored_as_twilio_does(wire: Wire) -> None:
    form = {"To": TO, "From": SENDER, "Body": "Hi", "Colour": "green", "from": "x"}

    answer = wire.ask("POST", "/Messages.json", data=form)

    assert answer.status_code == 201
    assert answer.json()["from"] == SENDER


@pytest.mark.parametrize("number", ["+12025550100", "+12025559001", "+12025559003", "+12025559053"])
def test_a_fetched_message_is_as_published_wherever_it_is_on_its_way(
    client: Client, number: str
) -> None:
    sid = client.messages.create(to=number, from_=SENDER, body="Hi").sid
    seen = set()

    def fetched() -> bool:
        seen.add(client.messages(sid).fetch().status)
        assert faults(last_document(client), published.MESSAGE_FIELDS) == []
        return bool(seen & {"delivered", "undelivered", "failed"}) or number.endswith("9053")

    eventually(fetched)
    document = last_document(client)
    assert list(document["subresource_uris"]) == ["media", "feedback"]


def test_a_message_has_its_price_once_it_was_sent_and_not_before(client: Client) -> None:
    waiting = client.messages.create(to="+12025559053", from_=SENDER, body="Hi").sid
    sent = delivered(client, body="a" * 161)

    before, after = client.messages(waiting).fetch(), client.messages(sent).fetch()

    assert (before.price, before.price_unit) == (None, "USD")
    assert (after.num_segments, after.price, after.price_unit) == ("2", "-0.01500", "USD")


def test_an_inbound_message_is_as_published(carrier: Carrier, client: Client, wire: Wire) -> None:
    carrier.ask("/inbound", {"from": TO, "to": SENDER, "body": "yes"})

    (message,) = client.messages.list(to=SENDER)
    (document,) = wire.json("/Messages.json")["messages"]

    assert faults(document, published.MESSAGE_FIELDS) == []
    assert (message.direction, message.status, message.from_) == ("inbound", "received", TO)
    assert message.date_sent is not None


def test_a_redacted_and_a_canceled_message_are_as_published(client: Client) -> None:
    sid = delivered(client)
    waiting = client.messages.create(to="+12025559053", from_=SENDER, body="Hi").sid

    redacted = client.messages(sid).update(body="")
    redacted_document = last_document(client)
    canceled = client.messages(waiting).update(status="canceled")

    assert (redacted.body, canceled.status) == ("", "canceled")
    assert faults(redacted_document, published.MESSAGE_FIELDS) == []
    assert faults(last_document(client), published.MESSAGE_FIELDS) == []


def test_a_deleted_message_is_gone_for_every_route(client: Client, wire: Wire) -> None:
    sid = delivered(client, media_url=PICTURES[:1])

    answer = wire.ask("DELETE", f"/Messages/{sid}.json")

    assert (answer.status_code, answer.content) == (204, b"")
    for method, path in (
        ("GET", ".json"),
        ("POST", ".json"),
        ("DELETE", ".json"),
        ("GET", "/Media.json"),
        ("POST", "/Feedback.json"),
    ):
        gone = wire.ask(method, f"/Messages/{sid}{path}", data={"Body": ""})
        assert (gone.status_code, gone.json()["code"]) == (404, 20404), (method, path)


def test_pages_lead_forward_and_back_to_their_neighbours(client: Client, wire: Wire) -> None:
    sids = [client.messages.create(to=TO, from_=SENDER, body=str(n)).sid for n in range(5)][::-1]

    first = wire.json("/Messages.json?PageSize=2")
    second = wire.json(first["next_page_uri"])
    third = wire.json(second["next_page_uri"])
    back = wire.json(third["previous_page_uri"])
    start = wire.json(back["previous_page_uri"])

    pages = [first, second, third, back, start]
    assert [faults(page, published.MESSAGES_FIELDS) for page in pages] == [[]] * 5
    assert [[m["sid"] for m in page["messages"]] for page in pages] == [
        sids[:2], sids[2:4], sids[4:], sids[2:4], sids[:2],
    ]  # fmt: skip
    assert [(page["page"], page["start"], page["end"]) for page in pages] == [
        (0, 0, 1), (1, 2, 3), (2, 4, 4), (1, 2, 3), (0, 0, 1),
    ]  # fmt: skip
    assert third["next_page_uri"] is None and first["previous_page_uri"] is None
    assert "PageToken=PA" + sids[1] in first["next_page_uri"]
    assert "PageToken=PB" + sids[4] in third["previous_page_uri"]


def test_the_sdks_pages_go_back_too(client: Client) -> None:
    for n in range(4):
        client.messages.create(to=TO, from_=SENDER, body=str(n))

    first = client.messages.page(page_size=2)
    second = first.next_page()
    back = second.previous_page() if second is not None else None

    assert back is not None
    assert [message.body for message in back] == ["3", "2"]


def test_the_number_of_a_page_is_the_clients_own_count(client: Client, wire: Wire) -> None:
    client.messages.create(to=TO, from_=SENDER, body="only one")

    page = wire.json("/Messages.json?Page=3")

    assert (page["page"], len(page["messages"])) == (3, 1)


def test_an_empty_page_and_its_uris_are_as_published(wire: Wire) -> None:
    page = wire.json("/Messages.json?To=%2B12025550999&DateSent%3E=2008-01-02&PageSize=25")

    assert faults(page, published.MESSAGES_FIELDS) == []
    assert (page["messages"], page["start"], page["end"]) == ([], 0, 0)
    assert page["uri"].endswith("?To=%2B12025550999&DateSent%3E=2008-01-02&PageSize=25&Page=0")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PageSize=1001", 20007),
        ("PageSize=0", 30400),
        ("PageSize=many", 30400),
        ("Page=-1", 30400),
        ("PageToken=whatever", 30400),
    ],
)
def test_a_page_that_cannot_be_is_refused(wire: Wire, query: str, code: int) -> None:
    answer = wire.ask("GET", f"/Messages.json?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_token_of_a_message_that_is_not_there_starts_no_page_from_the_top(
    client: Client, wire: Wire
) -> None:
    client.messages.create(to=TO, from_=SENDER, body="Hi")

    pages = [wire.json(f"/Messages.json?PageToken={end}SM{'0' * 32}") for end in ("PA", "PB")]

    assert [page["messages"] for page in pages] == [[], []]


def test_days_are_inclusive_on_both_sides_and_leave_out_what_was_not_sent(client: Client) -> None:
    client.messages.create(to="+12025559053", from_=SENDER, body="never sent")
    sid = delivered(client)
    today = datetime.now(UTC).replace(hour=0, minute=0)
    day = timedelta(days=1)

    found = {
        name: [message.sid for message in client.messages.list(**{name: when})]
        for name, when in (
            ("date_sent", today),
            ("date_sent_before", today),
            ("date_sent_after", today),
        )
    }
    others = [
        client.messages.list(date_sent=today - day),
        client.messages.list(date_sent_before=today - day),
        client.messages.list(date_sent_after=today + day),
    ]

    assert found == {name: [sid] for name in found}
    assert others == [[], [], []]


def test_the_media_of_a_message_are_listed_fetched_and_deleted(client: Client, wire: Wire) -> None:
    sid = delivered(client, media_url=PICTURES)

    files = client.messages(sid).media.list()
    page = wire.json(f"/Messages/{sid}/Media.json")
    fetched = client.messages(sid).media(files[1].sid).fetch()
    fetched_document = last_document(client)
    deleted = client.messages(sid).media(files[1].sid).delete()
    gone = refused(client.messages(sid).media(files[1].sid).fetch)

    assert faults(page, published.MEDIA_LIST_FIELDS) == []
    assert [faults(row, published.MEDIA_FIELDS) for row in page["media_list"]] == [[]] * 3
    assert faults(fetched_document, published.MEDIA_FIELDS) == []
    assert [file.content_type for file in files] == ["image/png", "image/gif", "image/jpeg"]
    assert (fetched.parent_sid, fetched.sid, deleted) == (sid, files[1].sid, True)
    assert (gone.status, gone.code) == (404, 20404)
    assert [file.sid for file in client.messages(sid).media.list()] == [files[0].sid, files[2].sid]
    assert wire.json(wire.json(f"/Messages/{sid}.json")["subresource_uris"]["media"])


def test_media_come_in_pages_and_by_their_day(client: Client, wire: Wire) -> None:
    sid = delivered(client, media_url=[f"https://example.org/{n}.png" for n in range(5)])
    today = datetime.now(UTC)

    first = wire.json(f"/Messages/{sid}/Media.json?PageSize=2")
    second = wire.json(first["next_page_uri"])
    back = wire.json(second["previous_page_uri"])
    walked = list(client.messages(sid).media.stream(page_size=2))

    assert [row["sid"] for row in back["media_list"]] == [r["sid"] for r in first["media_list"]]
    assert len({file.sid for file in walked}) == 5
    assert len(client.messages(sid).media.list(date_created=today)) == 5
    assert client.messages(sid).media.list(date_created_after=today + timedelta(days=1)) == []


def test_a_message_without_media_has_an_empty_list_of_them(client: Client) -> None:
    sid = client.messages.create(to=TO, from_=SENDER, body="Hi").sid

    assert client.messages(sid).media.list() == []
    assert faults(last_document(client), published.MEDIA_LIST_FIELDS) == []


def test_feedback_is_created_and_changed(client: Client) -> None:
    sid = delivered(client, provide_feedback=True)

    first = client.messages(sid).feedback.create(outcome="unconfirmed")
    first_document = last_document(client)
    second = client.messages(sid).feedback.create(outcome="confirmed")
    third = client.messages(sid).feedback.create()

    assert faults(first_document, published.FEEDBACK_FIELDS) == []
    assert (first.message_sid, first.outcome) == (sid, "unconfirmed")
    assert (second.outcome, third.outcome) == ("confirmed", "confirmed")
    assert second.date_created == first.date_created


def test_feedback_that_is_neither_confirmed_nor_unconfirmed_is_refused(client: Client) -> None:
    sid = delivered(client)

    error = refused(client.messages(sid).feedback.create, outcome="delivered")

    assert (error.status, error.code) == (400, 30400)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/Messages/SM00000000000000000000000000000000.json", 404, 20404),
        ("GET", "/Messages/nonsense.json", 404, 20404),
        ("GET", "/Calls.json", 404, 20404),
        ("PUT", "/Messages.json", 405, 20004),
        ("DELETE", "/Messages.json", 405, 20004),
        ("PUT", "/Messages/{sid}.json", 405, 20004),
        ("GET", "/Messages/{sid}/Feedback.json", 405, 20004),
        ("POST", "/Messages/{sid}/Media.json", 405, 20004),
        ("POST", "/Messages/{sid}/Media/ME1.json", 405, 20004),
        ("GET", "/Messages/{sid}/Feedback/FB1.json", 404, 20404),
        ("GET", "/Messages/{sid}/Media/ME1.json", 404, 20404),
        ("DELETE", "/Messages/{sid}/Media/ME1.json", 404, 20404),
        ("POST", ".json", 405, 20004),
        ("POST", "/Messages.json", 400, 21604),
        ("POST", "/Messages/{sid}.json", 400, 30400),
    ],
)
def test_every_refusal_is_a_published_error_document(
    client: Client, wire: Wire, method: str, path: str, status: int, code: int
) -> None:
    sid = delivered(client)

    answer = wire.ask(method, path.format(sid=sid))

    document = answer.json()
    assert faults(document, published.ERROR_FIELDS) == []
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert document["more_info"].endswith(f"/{code}")
    if code == 20404:
        where = answer.request.path_url
        assert document["message"] == f"The requested resource {where} was not found"


@pytest.mark.parametrize("path", ["/Messages.json", "/Messages/SM1.json", ".json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_right_credentials_every_route_asks_for_them(
    carrier: Carrier, wire: Wire, method: str, path: str
) -> None:
    wrong = wire.ask(method, path, auth=(carrier.account_sid, "wrong"))

    assert (wrong.status_code, wrong.json()["code"]) == (401, 20003)
    assert wrong.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'
    assert faults(wrong.json(), published.ERROR_FIELDS) == []


def test_the_account_is_as_published(client: Client, carrier: Carrier) -> None:
    client.api.accounts(carrier.account_sid).fetch()

    assert faults(last_document(client), published.ACCOUNT_FIELDS) == []


@pytest.mark.parametrize("suffix", ["", ".xml"])
def test_without_json_at_its_end_a_path_is_answered_in_xml(
    client: Client, wire: Wire, suffix: str
) -> None:
    sid = delivered(client, body="1 < 2 & 3", media_url=PICTURES[:1])

    whole = wire.ask("GET", f"/Messages/{sid}{suffix}")
    listed = wire.ask("GET", f"/Messages{suffix}?PageSize=1")
    media = wire.ask("GET", f"/Messages/{sid}/Media{suffix}")
    missing = wire.ask("GET", f"/Messages/nothing{suffix}")
    created = wire.ask("POST", f"/Messages{suffix}", data={"To": TO, "From": SENDER, "Body": "x"})
    denied = wire.ask("POST", f"/Messages{suffix}", data={"To": TO, "From": SENDER})

    assert whole.headers["Content-Type"] == "application/xml"
    message = ElementTree.fromstring(whole.text).find("Message")
    assert message is not None
    assert (message.findtext("Sid"), message.findtext("Body")) == (sid, "1 < 2 & 3")
    assert message.findtext("Uri", "").endswith(sid)
    (row,) = ElementTree.fromstring(listed.text).findall("Messages/Message")
    assert row.findtext("Sid") == sid
    assert len(ElementTree.fromstring(media.text).findall("MediaList/Media")) == 1
    assert (missing.status_code, created.status_code, denied.status_code) == (404, 201, 400)
    assert ElementTree.fromstring(missing.text).findtext("RestException/Code") == "20404"
    assert ElementTree.fromstring(created.text).findtext("Message/Status") == "queued"
    assert ElementTree.fromstring(denied.text).findtext("RestException/Code") == "21602"


def test_the_table_of_fields_objects_to_what_is_not_published(client: Client) -> None:
    client.messages.create(to=TO, from_=SENDER, body="Hi")
    right = last_document(client)

    changes: dict[str, Any] = {
        "num_segments": 1,
        "date_created": "2026-01-01T00:00:00Z",
        "status": "done",
        "sid": "SM1",
        "direction": None,
        "flags": [],
    }
    without = {name: value for name, value in right.items() if name != "price"}

    assert [len(faults(right | {n: v}, published.MESSAGE_FIELDS)) for n, v in changes.items()] == [
        1
    ] * len(changes)
    assert faults(without, published.MESSAGE_FIELDS) == ["price is missing"]


def test_the_media_and_the_feedback_of_another_account_are_out_of_reach() -> None:
    other = "AC" + "7" * 32
    script = {**QUICK, "accounts": [{"sid": other, "auth_token": "its own"}]}

    with Carrier(script=script) as carrier, requests.Session() as session:
        ours = f"{carrier.url}/2010-04-01/Accounts/{carrier.account_sid}/Messages"
        theirs = f"{carrier.url}/2010-04-01/Accounts/{other}/Messages"
        form = {"To": TO, "From": SENDER, "Body": "Hi", "MediaUrl": PICTURES}
        made = session.post(f"{theirs}.json", data=form, auth=(other, "its own")).json()
        mine = carrier.account_sid, carrier.auth_token
        codes = [
            session.get(f"{ours}/{made['sid']}/Media.json", auth=mine).status_code,
            session.post(f"{ours}/{made['sid']}/Feedback.json", auth=mine).status_code,
            session.get(f"{theirs}/{made['sid']}/Media.json", auth=mine).status_code,
        ]

    assert codes == [404, 404, 401]
