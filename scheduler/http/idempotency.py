"""`Idempotency-Key`: a POST that is sent again gets the first one's answer, not a second effect.

Only an answer that something was done (2xx) is kept, for a day, sealed, per API key; a refusal did
nothing, so the key may be used again. A body is compared by its hash as it streams past
(`BodyHash`). A request under way renews a lease, so
that the next one waits for it (409, Retry-After), but never for a process that was killed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scheduler.http import idempotency_store
from scheduler.http.body_hash import BodyHash
from scheduler.http.errors import answer, of_database
from scheduler.http.idempotency_store import Kept, Slot
from shared.db.session import retried
from shared.errors import InWords, Refused
from shared.secrets import seal, unseal

T = TypeVar("T")

_LONGEST_KEY: Final = 255
_RENEW_EVERY: Final = idempotency_store.LEASE.total_seconds() / 3


class Idempotency:
    """ASGI middleware, behind authentication: it needs to know the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        try:
            slot = _slot(scope, key)
            left = await _stored(lambda connection: idempotency_store.begin(connection, slot))
            if left is None:
                await self._first(slot, scope, receive, send)
            else:
                await _again(left, scope, receive, send)
        except InWords as error:
            await answer(error)(scope, receive, send)

    async def _first(self, slot: Slot, scope: Scope, receive: Receive, send: Send) -> None:
        recording = _Recording(Headers(scope=scope), receive, send)
        try:
            async with _leased(slot):
                await self._app(scope, recording.receive, recording.send)
        finally:
            await asyncio.shield(_settle(slot, recording))


class _Recording:
    """Notes what came in and what went out while it passes."""

    def __init__(self, headers: Headers, receive: Receive, send: Send) -> None:
        self.hash = BodyHash(headers)
        self._receive = receive
        self._send = send
        self._read_all = False
        self._held_back: list[Message] = []
        self.status = 0
        self.body = bytearray()
        self.complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.hash.add(message.get("body", b""))
            self._read_all = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)
        # The answer is kept before it is given: a client that heard it can always ask again.
        self._held_back.append(message)

    async def release(self) -> None:
        """Give the answer."""
        for message in self._held_back:
            await self._send(message)

    async def digest(self) -> bytes:
        """The body's hash; what the route did not care to read is read now."""
        while not self._read_all:
            if (await self.receive())["type"] != "http.request":
                break
        return self.hash.digest()


async def _settle(slot: Slot, recording: _Recording) -> None:
    """Keep the answer, or leave the key free; then let the answer go."""
    with contextlib.suppress(InWords):  # it was done: who asked must hear of it all the same
        if recording.complete and 200 <= recording.status < 300:
            digest = await recording.digest()
            sealed = seal({"body": recording.body.decode()})
            status = recording.status
            await _stored(
                lambda connection: idempotency_store.keep(
                    connection, slot, request_hash=digest, status=status, body=sealed
                )
            )
        else:
            await _stored(lambda connection: idempotency_store.drop(connection, slot))
    await recording.release()


async def _again(kept: Kept, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose key was used before. Raises Refused 409."""
    if kept.status is None or kept.body is None:
        raise Refused(
            "in_progress",
            "The first request with this Idempotency-Key is still under way. Ask again.",
            details={"retry_after": 1},
        )
    if await _Recording(Headers(scope=scope), receive, send).digest() != kept.request_hash:
        raise Refused(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request. Take a new one.",
        )
    headers = {"Idempotent-Replay": "true", "Content-Type": "application/json"}
    replay = Response(unseal(kept.body)["body"], status_code=kept.status, headers=headers)
    await replay(scope, receive, send)


def _key(scope: Scope) -> str | None:
    if (
        scope["type"] != "http"
        or scope["method"] != "POST"
        or "caller" not in scope.get("state", {})
    ):
        return None
    return Headers(scope=scope).get("idempotency-key")


def _slot(scope: Scope, key: str) -> Slot:
    if not 0 < len(key) <= _LONGEST_KEY:
        raise Refused(
            "invalid_idempotency_key", f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters."
        )
    query = scope["query_string"].decode("latin-1")
    route = scope["path"].replace("\x00", "%00") + (f"?{query}" if query else "")
    return Slot(key=f"{scope['state']['caller'].key_id}:{key}", route=f"POST {route}"[:2000])


@contextlib.asynccontextmanager
async def _leased(slot: Slot) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(_RENEW_EVERY)
            with contextlib.suppress(InWords):  # a database that is away for a moment
                await _stored(lambda connection: idempotency_store.renew(connection, slot))

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()


async def _stored(work: Callable[[Connection], T]) -> T:
    try:
        return await run_in_threadpool(retried, work)
    except (DBAPIError, PoolTimeout) as error:
        raise of_database(error) from error
