"""The Twilio adapter over a real socket, through the real SDK: what is written, and when."""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.base import OutboundText
from shared.providers.errors import Rejected
from shared.providers.transport.pool import NoConnection
from shared.providers.twilio.accounts import TwilioCredentials
from shared.providers.twilio.adapter import TwilioAdapter
from shared.providers.twilio.client import form
from tests.shared.providers.stub import Request, Stub, reply
from tests.shared.providers.twilio.scenes import (
    ACCOUNT,
    MADE,
    SID,
    TEXT,
    adapter,
    error,
    nothing,
    ready,
    sent,
)
from tests.support.eventually import until


class TooLate(Exception):
    """The caller's own reason not to write."""


def test_a_text_goes_out_as_twilio_wants_it(run: Callable[..., Any]) -> None:
    requests, accepted = run(sent(reply(201, MADE)))

    (request,) = requests
    assert (request.method, request.path) == (
        "POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
    )  # fmt: skip
    assert dict(parse_qsl(request.body.decode())) == {
        "To": TEXT.to, "From": TEXT.sender, "Body": TEXT.body,
        "StatusCallback": TEXT.status_callback,
    }  # fmt: skip
    pair = b64encode(f"{ACCOUNT}:token".encode()).decode()
    assert request.headers["authorization"] == f"Basic {pair}"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["user-agent"].startswith("twilio-python/")
    assert (accepted.sid, accepted.status, accepted.provider_status, accepted.segments) == (
        SID, "accepted", "queued", 1,
    )  # fmt: skip


def test_options_and_a_messaging_service_travel_by_twilios_names(run: Callable[..., Any]) -> None:
    options = {
        "media_urls": ["https://a.example.org/1", "https://a.example.org/2"],
        "validity_period": 60, "smart_encoded": True, "shorten_urls": False, "attempt": None,
    }  # fmt: skip
    text = OutboundText(TEXT.to, "", None, "MG1", TEXT.status_callback, options)

    requests, accepted = run(sent(reply(201, MADE | {"num_segments": "0"}), text))

    assert parse_qs(requests[0].body.decode()) == {
        "To": [TEXT.to], "MessagingServiceSid": ["MG1"], "StatusCallback": [TEXT.status_callback],
        "MediaUrl": options["media_urls"], "ValidityPeriod": ["60"], "SmartEncoded": ["true"],
        "ShortenUrls": ["false"],
    }  # fmt: skip
    assert accepted.segments is None  # a service counts later


def test_what_a_campaign_says_about_its_senders_its_pictures_and_its_end_travels_too(
    run: Callable[..., Any],
) -> None:
    options = {"messaging_service_sid": "MG2", "media_urls": ["https://a.example.org/1"]}
    text = replace(TEXT, sender_pool="MG1", options=options, part=1, seconds_left=90)

    requests, _ = run(sent(reply(201, MADE), text))

    (fields,) = [parse_qs(request.body.decode()) for request in requests]
    assert fields["MessagingServiceSid"] == ["MG2"], "the campaign's, not the agent's"
    assert fields["ValidityPeriod"] == ["90"]
    assert "MediaUrl" not in fields, "pictures go with the first part"


@pytest.mark.parametrize(
    ("asked", "left", "given"),
    [(None, 90, 90), (60, 90, 60), (600, 90, 90), (None, -3, 5), (None, 90_000, 36_000), (9, 1, 5)],
)
def test_twilio_tries_no_longer_than_the_campaign_lets_it(
    run: Callable[..., Any], asked: int | None, left: int, given: int
) -> None:
    text = replace(TEXT, options={"validity_period": asked}, seconds_left=left)

    requests, _ = run(sent(reply(201, MADE), text))

    assert parse_qs(requests[0].body.decode())["ValidityPeriod"] == [str(given)]


def test_an_api_key_signs_in_the_accounts_name(run: Callable[..., Any]) -> None:
    async def scene() -> Request:
        async with Stub(lambda *_: reply(201, MADE)) as server:
            keyed = TwilioCredentials(ACCOUNT, ("token",), "SK1", "secret", api_url=server.url)
            twilio = adapter(server.url, credentials=keyed)
            await ready(twilio)
            await twilio.send(TEXT, gate=nothing, wrote=nothing)
            await twilio.close()
            return server.requests[0]

    request = run(scene())

    assert request.headers["authorization"] == f"Basic {b64encode(b'SK1:secret').decode()}"
    assert f"/Accounts/{ACCOUNT}/" in request.path


@pytest.mark.parametrize("option", ["max_price", "send_at", "nonsense"])
def test_an_option_twilio_does_not_have_is_not_sent_along(
    run: Callable[..., Any], option: str
) -> None:
    text = OutboundText(TEXT.to, "x", TEXT.sender, None, "https://x.example.org", {option: 1})

    requests, outcome = run(sent(reply(201, MADE), text))

    assert isinstance(outcome, Rejected)
    assert requests == []


def test_half_a_character_is_refused_before_anything_is_written(run: Callable[..., Any]) -> None:
    text = OutboundText(TEXT.to, "\ud83d", TEXT.sender, None, "https://x.example.org")

    requests, outcome = run(sent(reply(201, MADE), text))

    assert isinstance(outcome, Rejected)
    assert requests == []


def test_the_gate_is_asked_with_the_connection_in_hand_and_no_wait_before_the_write(
    run: Callable[..., Any],
) -> None:
    events = []

    async def scene() -> None:
        async with Stub(lambda *_: reply(201, MADE)) as server:
            twilio = adapter(server.url)
            await ready(twilio)
            asyncio.get_running_loop().call_soon(lambda: events.append("the loop turned"))
            await twilio.send(
                TEXT, gate=lambda: events.append("gate"), wrote=lambda: events.append("wrote")
            )
            await twilio.close()

    run(scene())

    assert events == ["gate", "wrote", "the loop turned"]


def test_a_message_the_gate_refuses_is_not_written_and_costs_no_connection(
    run: Callable[..., Any],
) -> None:
    def gate() -> None:
        raise TooLate

    async def scene() -> tuple[bool, int, int]:
        async with Stub(lambda *_: reply(201, MADE)) as server:
            twilio = adapter(server.url)
            await ready(twilio)
            with pytest.raises(TooLate):
                await twilio.send(TEXT, gate=gate, wrote=lambda: pytest.fail("it was written"))
            in_hand = twilio.ready()
            await twilio.send(TEXT, gate=nothing, wrote=nothing)
            await twilio.close()
            return in_hand, len(server.requests), server.connections

    assert run(scene()) == (True, 1, 1)


def test_without_a_warm_connection_nothing_is_asked_and_one_is_opened(
    run: Callable[..., Any],
) -> None:
    async def scene() -> tuple[str, int]:
        async with Stub(lambda *_: reply(201, MADE)) as server:
            twilio = adapter(server.url)
            with pytest.raises(NoConnection):
                await twilio.send(TEXT, gate=lambda: pytest.fail("asked"), wrote=nothing)
            await until(twilio.ready, seconds=3)
            accepted = await twilio.send(TEXT, gate=nothing, wrote=nothing)
            await twilio.close()
            return accepted.sid, len(server.requests)

    assert run(scene()) == (SID, 1)


def test_many_sends_at_once_each_keep_their_own_gate_and_answer(run: Callable[..., Any]) -> None:
    def echo(request: Request, _: object) -> bytes:
        to = parse_qs(request.body.decode())["To"][0]
        return reply(201, MADE | {"sid": "SM" + to})

    async def one(twilio: TwilioAdapter, to: str, log: list[tuple[str, str]]) -> str:
        text = OutboundText(to, "x", TEXT.sender, None, "https://x.example.org")
        gate, wrote = lambda: log.append(("gate", to)), lambda: log.append(("wrote", to))
        return (await twilio.send(text, gate=gate, wrote=wrote)).sid

    async def scene() -> tuple[list[str], list[str], list[tuple[str, str]]]:
        numbers, log = [f"+1555{n:07}" for n in range(40)], []  # type: ignore[var-annotated]
        async with Stub(echo) as server:
            twilio = adapter(server.url)
            twilio.warm(40)
            await until(lambda: twilio._wire.idle, becomes=40, seconds=3)
            sids = await asyncio.gather(*(one(twilio, to, log) for to in numbers))
            await twilio.close()
        return numbers, sids, log

    numbers, sids, log = run(scene())

    assert sids == [f"SM{to}" for to in numbers]
    assert log == [(step, to) for to in numbers for step in ("gate", "wrote")]


def test_nothing_personal_is_logged_at_any_level(
    run: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("twilio").setLevel(logging.DEBUG)
        run(sent(reply(201, MADE)))
        run(sent(error(400, 21211, f"The number {TEXT.to} is not valid")))

    said = "\n".join(record.getMessage() for record in caplog.records)
    assert TEXT.to.strip("+") not in said
    assert "Ana" not in said
    assert "token" not in said


@given(
    st.dictionaries(
        st.sampled_from(["To", "Body", "X"]), st.text() | st.integers() | st.lists(st.text())
    )
)
def test_a_form_is_written_as_the_standard_library_writes_it(data: Any) -> None:
    try:
        expected = urlencode(data, doseq=True)
    except UnicodeEncodeError:
        return

    assert form(data) == expected
