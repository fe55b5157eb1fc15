"""The edge for callbacks: genuine or 403, durable before 204, no genuine one turned away."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from twilio.request_validator import RequestValidator

from scheduler.http.callbacks import group_commit, signing_tokens
from scheduler.http.callbacks.edge import CallbackEdge
from scheduler.http.callbacks.signing_tokens import Tokens
from scheduler.http.callbacks.spool import Spool
from shared.db.session import transaction
from shared.ledger import callbacks as callback_ledger
from shared.settings import settings


def signed(n: int, *, token: str | None = None, part: int = 0, **fields: str) -> Any:
    """An ASGI scope and body of a status callback, signed as Twilio does."""
    chosen = settings()
    path, query = "/webhooks/twilio/status", f"m={n}&p={part}&a={uuid.UUID(int=n).hex}"
    form = {
        "AccountSid": chosen.twilio_account_sid or "",
        "MessageSid": f"SM{n:032d}",
        "MessageStatus": "delivered",
    } | fields
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


async def answered(edge: CallbackEdge, request: Any) -> Any:
    """The beginning of the answer."""
    scope, body = request
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    await edge(scope, receive, send)
    return answers[0]


async def post(edge: CallbackEdge, request: Any) -> int:
    """The status of the answer."""
    return int((await answered(edge, request))["status"])


@asynccontextmanager
async def running() -> AsyncIterator[CallbackEdge]:
    """An edge that keeps."""
    edge = CallbackEdge()
    await edge.start()
    try:
        yield edge
    finally:
        await edge.stop()


def posted(requests: list[Any]) -> list[int]:
    """The answers to callbacks that all come at once, right after a start."""

    async def run() -> list[int]:
        async with running() as edge:
            return await asyncio.gather(*(post(edge, request) for request in requests))

    return asyncio.run(run())


def spooled() -> int:
    return len(list((settings().data_dir / "spool").glob("*.callbacks")))


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
        patch.setattr(signing_tokens, "_own_tokens", away)
        patch.setattr(callback_ledger.Writer, "keep", away)
        answers = posted([signed(1), signed(2)])

    assert answers == [204, 204]
    assert kept() == 0
    assert spooled()


def test_an_unknown_account_is_asked_to_come_again_while_accounts_cannot_be_read(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("", None, ConnectionError())

    monkeypatch.setattr(signing_tokens, "_own_tokens", away)
    scope, body = signed(1)

    stranger = body.replace((settings().twilio_account_sid or "").encode(), b"AC" + b"9" * 32)

    assert posted([(scope, stranger)]) == [503]


def test_what_is_too_long_for_a_callback_is_not_read(database: str) -> None:
    scope, _ = signed(1)

    assert posted([(scope, b"x" * 100_000)]) == [413]


def test_what_no_column_can_hold_stops_no_callback_beside_it(database: str) -> None:
    odd = [
        signed(1, part=99_999),
        signed(2, ErrorCode="9" * 18),
        signed(3, MessageStatus="de\x00livered"),
        signed(4, MessageSid="SM\x00"),
        as_json(5, MessageSid="SM\ud800", MessageStatus="\udfff"),
    ]

    assert posted([*odd, signed(6)]) == [204] * 6
    assert (kept(), spooled()) == (6, 0)


def test_callbacks_are_kept_though_every_connection_was_cut(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "SPOOL_EVERY", 60)

    async def run() -> list[int]:
        async with running() as edge:
            before = await post(edge, signed(1))
            cut_connections()
            return [before, await post(edge, signed(2)), await post(edge, signed(3))]

    answers = asyncio.run(run())

    assert answers == [204, 204, 204]
    assert kept() == 2  # the one in hand at the time went to the spool
    assert spooled() == 1


def test_a_frozen_database_holds_nobody_up_for_long(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thaw = threading.Event()
    monkeypatch.setattr(group_commit, "STORE_WITHIN", 0.05)
    monkeypatch.setattr(group_commit, "SPOOL_EVERY", 60)
    monkeypatch.setattr(callback_ledger.Writer, "keep", lambda *_: thaw.wait(20))

    async def run() -> list[int]:
        async with running() as edge:
            try:
                return [await post(edge, signed(n)) for n in (1, 2, 3)]
            finally:
                thaw.set()

    assert asyncio.run(run()) == [204, 204, 204]
    assert spooled() == 3


def test_what_can_be_kept_nowhere_is_asked_for_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(callback_ledger.Writer, "keep", away)
    monkeypatch.setattr(Spool, "keep", away)

    async def run() -> Any:
        async with running() as edge:
            return await answered(edge, signed(1))

    answer = asyncio.run(run())

    assert answer["status"] == 503
    assert (b"retry-after", b"1") in answer["headers"]


def test_a_full_group_waits_for_nobody(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GROUP", 60)

    answers = posted([signed(n) for n in range(1, group_commit.FULL + 1)])

    assert set(answers) == {204}


def test_callbacks_of_one_moment_share_a_commit(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = []
    keep = callback_ledger.Writer.keep

    def counted(
        writer: callback_ledger.Writer, callbacks: list[callback_ledger.CallbackRow]
    ) -> None:
        groups.append(len(callbacks))
        keep(writer, callbacks)

    monkeypatch.setattr(callback_ledger.Writer, "keep", counted)
    monkeypatch.setattr(group_commit, "GROUP", 0.2)

    posted([signed(n) for n in range(1, 21)])

    assert groups == [20]


def test_nobody_who_is_known_waits_while_accounts_are_read(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = f"twilio:{settings().twilio_account_sid}"
    frozen, thaw = threading.Event(), threading.Event()

    def reads() -> dict[str, tuple[str, ...]]:
        frozen.set()
        thaw.wait(20)
        return {}

    async def run() -> tuple[str, ...]:
        accounts = Tokens()
        await accounts.asked(known)
        monkeypatch.setattr(signing_tokens, "_own_tokens", reads)
        accounts.start()
        await asyncio.to_thread(frozen.wait, 20)
        try:
            return accounts.known(known)
        finally:
            thaw.set()
            await accounts.stop()

    assert asyncio.run(run()) == settings().auth_tokens


def test_a_204_says_nothing_of_a_length(database: str) -> None:
    async def run() -> Any:
        async with running() as edge:
            return await answered(edge, signed(1))

    assert asyncio.run(run()) == {"type": "http.response.start", "status": 204, "headers": []}


def test_the_edge_stands_before_the_api_and_asks_for_no_key(api: TestClient) -> None:
    scope, body = signed(1)
    url = f"{scope['path']}?{scope['query_string'].decode()}"
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    del api.headers["Authorization"]

    answers = [
        api.post(url, content=body, headers=headers).status_code,
        api.post(url, content=body).status_code,
        api.get(url).status_code,
        api.post("/webhooks/nobody/status").status_code,
        api.post("/webhooks/twilio/other").status_code,
    ]

    assert answers == [204, 403, 405, 404, 404]
    assert kept() == 1


def as_json(n: int, **fields: str) -> Any:
    """The same as JSON, which can spell what no form can."""
    scope, _ = signed(n)
    body = json.dumps({"AccountSid": settings().twilio_account_sid, **fields}).encode()
    query = f"{scope['query_string'].decode()}&bodySHA256={sha256(body).hexdigest()}"
    url = f"{settings().callback_base}{scope['path']}?{query}"
    signature = RequestValidator(settings().auth_tokens[0]).compute_signature(url, {})
    headers = [
        (b"content-type", b"application/json"),
        (b"x-twilio-signature", signature.encode()),
    ]
    return scope | {"query_string": query.encode(), "headers": headers}, body


def cut_connections() -> None:
    """Every session of this database but the one that says so ends."""
    with transaction() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
