"""Every answer of Twilio's says what to do next: wait, give up, try again, or look for evidence."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from shared.providers.codes import Scope
from shared.providers.errors import Later, Rejected, Unknown
from tests.shared.providers.stub import hangs, reply
from tests.shared.providers.twilio.scenes import MADE, error, sent


@pytest.mark.parametrize(
    ("answer", "scope", "seconds", "code"),
    [
        (error(429, 20429), Scope.ACCOUNT, 1.0, 20429),
        (error(429, 20429, Retry_After=7), Scope.ACCOUNT, 7.0, 20429),
        (error(429, 20429, Retry_After=999_999), Scope.ACCOUNT, 3600.0, 20429),
        (error(429, 20429, Retry_After="soon"), Scope.ACCOUNT, 1.0, 20429),
        (error(429, 20429, Retry_After="Fri, 20 Nov 2020 15:00:00 GMT"), Scope.ACCOUNT, 0.0, 20429),
        (error(429, 14107), Scope.SENDER, 1.0, 14107),
        (error(429, 77777), Scope.ACCOUNT, 1.0, 77777),
        (error(429, 21617), Scope.ACCOUNT, 1.0, 21617),
        (reply(429, b"slow down", Retry_After=3), Scope.ACCOUNT, 3.0, None),
        (error(400, 21611), Scope.SENDER, 60.0, 21611),
        (error(400, 21408), Scope.COUNTRY, None, 21408),
        (error(400, 21606), Scope.SENDER, None, 21606),
        (error(401, 20003), Scope.ACCOUNT, None, 20003),
        (error(404, 20404), Scope.ACCOUNT, None, 20404),
        (reply(401, b""), Scope.ACCOUNT, None, None),
        (reply(404, b"<html>nginx</html>"), Scope.ACCOUNT, None, None),
    ],
)
def test_what_has_to_wait_waits_in_its_own_scope(
    run: Callable[..., Any], answer: bytes, scope: Scope, seconds: float | None, code: int | None
) -> None:
    requests, outcome = run(sent(answer))

    assert isinstance(outcome, Later)
    assert (outcome.scope, outcome.seconds, outcome.code) == (scope, seconds, code)
    assert len(requests) == 1  # never repeated by us


def test_a_retry_after_may_be_a_date(run: Callable[..., Any]) -> None:
    at = clock.now() + timedelta(seconds=30)

    _, outcome = run(sent(error(429, 20429, Retry_After=f"{at:%a, %d %b %Y %H:%M:%S GMT}")))

    assert 20 < outcome.seconds <= 30


def test_a_daily_cap_outlasts_any_retry_after(run: Callable[..., Any]) -> None:
    _, outcome = run(sent(error(429, 63038, Retry_After=1)))

    assert outcome.scope is Scope.ACCOUNT
    assert outcome.seconds > 1 or outcome.seconds == pytest.approx(0, abs=1)  # at midnight itself


NEWER_ERROR = {"type": "x", "title": "Bad", "status": 400, "code": 98766, "detail": "Why."}


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (error(400, 21211), 21211, "not a valid phone number"),
        (error(400, 21610), 21610, "opted out"),
        (error(400, 98765), 98765, "Twilio's own sentence."),
        (reply(413, b"<html>"), None, "HTTP 413"),
        (reply(400, b"[1]"), None, "HTTP 400"),
        (reply(400, NEWER_ERROR), 98766, "Why."),
    ],
)  # fmt: skip
def test_a_refusal_is_for_good_and_says_why(
    run: Callable[..., Any], answer: bytes, code: int | None, says: str
) -> None:
    _, outcome = run(sent(answer))

    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert says in outcome.sentence


@pytest.mark.parametrize(
    "answer",
    [
        reply(500, b"oops"), error(503, 20429), reply(408, b""), reply(302, b"", Location="/x"),
        reply(201, b"{"), reply(201, b""), reply(201, b"[]"), reply(201, b"null"), reply(201, {}),
        reply(201, MADE | {"sid": None}), reply(201, MADE | {"sid": 7}),
        reply(201, MADE | {"date_created": 7}),
        error(400, 30410), hangs,
    ],
)  # fmt: skip
def test_what_may_have_gone_is_unknown_and_never_repeated(
    run: Callable[..., Any], answer: bytes | Callable[..., Any]
) -> None:
    requests, outcome = run(sent(answer))

    assert type(outcome) is Unknown
    assert len(requests) == 1


def test_a_bug_in_a_gate_is_not_mistaken_for_an_answer(run: Callable[..., Any]) -> None:
    def gate() -> None:
        raise ValueError("a bug")

    requests, outcome = run(sent(reply(201, MADE), gate=gate))

    assert isinstance(outcome, ValueError)
    assert requests == []
