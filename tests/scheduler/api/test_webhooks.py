"""The edge for callbacks: genuine or 403, durable before 204, no genuine one turned away."""

import asyncio
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from twilio.request_validator import RequestValidator

from scheduler.api import webhooks as webhooks_module
from scheduler.api.webhooks import Webhooks
from shared.db.session import transaction
from shared.settings import settings


def signed(n: int, *, token: str | None = None, path: str = "/webhooks/twilio/status") -> Any:
    """An ASGI scope and body of a status callback, signed as Twilio does."""
    chosen = settings()
    query = f"m={n}&p=0&a={uuid.UUID(int=n).hex}"
    form = {
        "AccountSid": chosen.carrier_account_sid or "",
        "MessageSid": f"SM{n:032d}",
        "MessageStatus": "delivered",
    }
    url = f"{chosen.callback_base}{path}?{query}"
    signature = RequestValidator(token or chosen.auth_tokens[0]).compute_signature(url, form)
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"x-twilio-signature", signature.encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "root_path": "/webhooks",
        "query_string": query.encode(),
        "headers": headers,
    }
    return scope, urlencode(form).encode()


async def post(edge: Webhooks, request: Any) -> int:
    """The status of the answer."""
    scope, body = request
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    await edge(scope, receive, send)
    return int(answers[0]["status"])


def posted(requests: list[Any]) -> list[int]:
    """The answers to callbacks that all come at once, right after a start."""

    async def run() -> list[int]:
        edge = Webhooks()
        await edge.start()
        try:
            return await asyncio.gather(*(post(edge, request) for request in requests))
        finally:
            await edge.stop()

    return asyncio.run(run())


def kept() -> int:
    with transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM callback")).scalar_one())


def test_callbacks_that_come_right_after_a_start_are_all_kept(database: str) -> None:
    answers = posted([signed(n) for n in range(1, 201)])

    assert set(answers) == {204}
    assert kept() == 200


def test_a_forged_callback_is_answered_403_and_leaves_nothing(database: str) -> None:
    assert posted([signed(1, token="somebody else's")]) == [403]
    assert kept() == 0


def test_the_platforms_callbacks_are_known_while_the_database_is_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("", None, ConnectionError())

    with monkeypatch.context() as patch:
        patch.setattr(webhooks_module, "_own_tokens", away)
        patch.setattr(webhooks_module, "_store", away)
        answers = posted([signed(1), signed(2)])

    assert answers == [204, 204]
    assert kept() == 0
    assert list((settings().data_dir / "spool").glob("*.callbacks"))


def test_an_unknown_account_is_asked_to_come_again_while_accounts_cannot_be_read(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("", None, ConnectionError())

    monkeypatch.setattr(webhooks_module, "_own_tokens", away)
    scope, body = signed(1)

    stranger = body.replace((settings().carrier_account_sid or "").encode(), b"AC" + b"9" * 32)

    assert posted([(scope, stranger)]) == [503]


def test_what_is_too_long_for_a_callback_is_not_read(database: str) -> None:
    scope, _ = signed(1)

    assert posted([(scope, b"x" * 100_000)]) == [413]
