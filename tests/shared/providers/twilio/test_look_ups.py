"""Afterwards: what Twilio lists, to the last page, and what it means when it cannot be asked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from shared.providers.base import Listed
from shared.providers.errors import Later, Unknown, Unreachable
from tests.shared.providers.stub import Request, Stub, reply
from tests.shared.providers.twilio.scenes import ACCOUNT, MADE, SID, TEXT, adapter, error


def page(request: Request, _: object) -> bytes:
    """Two pages of messages, as Twilio lists them."""
    query = parse_qs(urlsplit(request.path).query)
    path = urlsplit(request.path).path
    second = "Page" in query
    rows = [MADE | {"sid": "SM2", "date_created": "Fri, 20 Nov 2026 15:00:00 +0000"}]
    if not second:
        rows = [MADE | {"sid": "SM0"}, MADE | {"sid": "SM1", "status": "canceled"}]
    following = None if second else f"{path}?{urlencode({'Page': 1, 'PageToken': 'PA'})}"
    return reply(200, {"messages": rows, "next_page_uri": following, "page_size": 50})


async def asked(
    answer: Callable[..., Any], question: Callable[..., Any]
) -> tuple[list[Request], list[Listed] | Listed | None]:
    async with Stub(answer) as server:
        twilio = adapter(server.url)
        try:
            return server.requests, await question(twilio)
        finally:
            await twilio.close()


def test_messages_to_a_number_are_listed_to_the_last_page(run: Callable[..., Any]) -> None:
    since = datetime(2026, 11, 20, 15, 10, tzinfo=UTC)

    requests, every = run(
        asked(page, lambda t: t.list_to(TEXT.to, created_after=since - timedelta(days=1)))
    )
    _, recent = run(asked(page, lambda t: t.list_to(TEXT.to, created_after=since)))

    assert [row.sid for row in every] == ["SM0", "SM1", "SM2"]
    assert [row.sid for row in recent] == ["SM0", "SM1"]
    assert [(row.status, row.provider_status) for row in recent] == [
        ("accepted", "queued"),
        ("cancelled", "canceled"),
    ]
    assert recent[0].created_at == datetime(2026, 11, 20, 15, 24, 30, tzinfo=UTC)
    assert (recent[0].direction, recent[0].sender) == ("outbound-api", TEXT.sender)
    assert parse_qs(urlsplit(requests[0].path).query) == {"To": [TEXT.to], "PageSize": ["50"]}
    assert len(requests) == 2  # fmt: skip


def test_the_newest_messages_are_listed_without_a_filter(run: Callable[..., Any]) -> None:
    requests, newest = run(asked(page, lambda t: t.newest(2)))

    assert [row.sid for row in newest] == ["SM0", "SM1"]
    assert [parse_qs(urlsplit(r.path).query) for r in requests] == [{"PageSize": ["2"]}]


def test_one_message_is_fetched_by_its_sid_and_none_is_none(run: Callable[..., Any]) -> None:
    found = lambda *_: reply(200, MADE | {"status": "failed", "error_code": 30008})  # noqa: E731

    requests, message = run(asked(found, lambda t: t.fetch(SID)))
    _, missing = run(asked(lambda *_: error(404, 20404), lambda t: t.fetch(SID)))

    assert requests[0].path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json"
    assert (message.status, message.error_code) == ("failed", 30008)
    assert missing is None


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(500, b""), Unknown), (error(429, 20429), Later), (error(401, 20003), Later),
        (reply(200, b"{"), Unknown), (reply(200, {"next_page_uri": None}), Unknown),
    ],
)  # fmt: skip
@pytest.mark.parametrize("question", ["list_to", "newest", "fetch"])
def test_a_look_up_that_fails_says_so_and_never_that_there_is_nothing(
    run: Callable[..., Any], answer: bytes, outcome: type[Unknown] | type[Later], question: str
) -> None:
    questions = {
        "list_to": lambda t: t.list_to(TEXT.to, created_after=datetime(2026, 1, 1, tzinfo=UTC)),
        "newest": lambda t: t.newest(5),
        "fetch": lambda t: t.fetch(SID),
    }

    with pytest.raises(outcome):
        run(asked(lambda *_: answer, questions[question]))


def test_a_next_page_cannot_carry_our_credentials_elsewhere(run: Callable[..., Any]) -> None:
    away = {
        "meta": {"key": "messages", "next_page_url": "http://evil.example.org/2"},
        "messages": [],
    }

    with pytest.raises(Unreachable, match="outside"):
        run(asked(lambda *_: reply(200, away), lambda t: t.newest(5)))
