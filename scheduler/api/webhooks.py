"""The edge for providers' callbacks: verify, keep, answer. It thinks never.

A bare ASGI app, not a framework route: it must take thousands of callbacks a second. What was
answered with 204 is committed in Postgres or, while that is away, fsynced to the spool; a callback
that could be kept in neither is answered 503, and the provider repeats it (our addresses ask for
that). What it means is decided later, in batches,
by a task.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from scheduler.api.spool import Spool
from shared import metrics
from shared.db.queries import inbox
from shared.db.queries.directory import opened
from shared.db.queries.inbox import Kept
from shared.db.session import transaction
from shared.domain.message import RANK
from shared.errors import Refused
from shared.logging import get_logger
from shared.providers.accounts import platform_credentials
from shared.providers.base import Forged, Receipt
from shared.providers.registry import reports_of
from shared.queue.jobs import ApplyReceipts
from shared.queue.publish import publish
from shared.settings import settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = get_logger(__name__)

BODY_LIMIT: Final = 64 * 1024
#: One commit for all callbacks that came within this time.
GROUP: Final = 0.002
#: A worker is told at most this often that callbacks are waiting.
HINT_EVERY: Final = 0.2
#: A database that has not stored a group in so many seconds counts as away.
STORE_WITHIN: Final = 3.0
#: The spool is looked at this often.
SPOOL_EVERY: Final = 1.0
#: Tokens of agents' own accounts are read again this often.
TOKENS_FRESH_FOR: Final = 30.0


class TooLarge(Exception):
    """The body is longer than any callback."""


class Webhooks:
    """POST /webhooks/{provider}/status, mounted at /webhooks."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Kept, asyncio.Future[bool]]] = []
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="inbox")
        self._tokens: dict[str, tuple[str, ...]] = {}
        self._tokens_read = float("-inf")
        self._reading = asyncio.Lock()
        #: the agents' own accounts could not be read
        self._unread = False
        self._hint = asyncio.Event()
        self._storing: asyncio.Future[None] | None = None
        self._spool = Spool(settings().data_dir / "spool")

    async def start(self) -> None:
        """Start keeping. Called once, on the loop that serves."""
        self._spool.adopt()
        loops = (self._keep_all(), self._hint_all(), self._drain_spool())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Keep what is waiting, then end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One callback: genuine or 403, durable before 204."""
        status = await self._answer(scope, receive)
        metrics.callbacks.labels(str(status)).inc()
        headers = [(b"content-length", b"0")]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Scope, receive: Receive) -> int:
        provider, _, kind = _path(scope).strip("/").partition("/")
        if scope["method"] != "POST":
            return 405
        if kind != "status":
            return 404
        try:
            body = await _body(receive)
            receipt = await self._genuine(provider, scope, body)
        except TooLarge:
            return 413
        except Forged:
            return 403
        except Refused as refused:
            return 404 if refused.code == "not_available" else refused.status
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((_kept(receipt), kept))
        self._arrived.set()
        return 204 if await kept else 503

    async def _genuine(self, provider: str, scope: Scope, body: bytes) -> Receipt:
        """The receipt of a callback that its provider signed. Raises Forged."""
        reports = reports_of(provider)
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        tokens = await self._tokens_of(reports.account_of(headers, body))
        path = scope.get("root_path", "") + _path(scope)
        url = f"{settings().callback_base}{path}" + (f"?{query}" if query else "")
        params = reports.verify(url, headers, body=body, tokens=tokens)
        return reports.parse(query, params, raw=body.decode("utf-8", "replace"))

    async def _tokens_of(self, account: str) -> tuple[str, ...]:
        """The auth tokens of the account a callback names; none for a stranger's.

        Raises Refused (503) when it is unknown and the agents' accounts cannot be read now: it may
        be genuine, and the provider asks again.
        """
        async with self._reading:  # whoever comes while they are read waits for them
            age = asyncio.get_running_loop().time() - self._tokens_read
            if age > TOKENS_FRESH_FOR or (account not in self._tokens and age > 1):
                await self._read_tokens()
        if account not in self._tokens and self._unread:
            raise Refused("cannot_verify", "The accounts cannot be read now.", status=503)
        return self._tokens.get(account, ())

    async def _read_tokens(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            own = await loop.run_in_executor(self._threads, _own_tokens)
        except (DBAPIError, Refused) as error:
            log.warning("callbacks.tokens_not_read", error=type(error).__name__)
            self._unread, own = True, self._tokens
        else:
            self._unread = False
        self._tokens = own | _platform_tokens()
        self._tokens_read = loop.time()

    async def _keep_all(self) -> None:
        """Keep what has arrived, in groups; a group that cannot be kept is answered 503."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GROUP)
            self._arrived.clear()
            group, self._waiting = self._waiting, []
            kept = await self._kept([one for one, _ in group])
            for _, answer in group:
                if not answer.done():
                    answer.set_result(kept)
            if kept:
                self._hint.set()

    async def _kept(self, callbacks: list[Kept]) -> bool:
        """In Postgres, else in the spool; False when neither could keep them."""
        loop = asyncio.get_running_loop()
        if self._storing is None or self._storing.done():
            self._storing = loop.run_in_executor(self._threads, _store, callbacks)
            try:
                await asyncio.wait_for(asyncio.shield(self._storing), STORE_WITHIN)
            except (DBAPIError, Refused, TimeoutError) as error:
                log.warning("callbacks.spooled", error=type(error).__name__)
            else:
                return True
        # Postgres is away, or frozen with a group in hand: that one may be stored twice, no harm.
        try:
            await loop.run_in_executor(None, self._spool.keep, callbacks)
        except OSError as error:
            log.error("callbacks.not_kept", error=type(error).__name__, callbacks=len(callbacks))
            return False
        return True

    async def _drain_spool(self) -> None:
        """Bring spooled callbacks home when Postgres is back."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SPOOL_EVERY)
            try:
                if self._spool.waiting():
                    await loop.run_in_executor(self._threads, self._spool.drain, _store)
                    self._hint.set()
            except (DBAPIError, Refused, OSError) as error:
                log.warning("callbacks.spool_waits", error=type(error).__name__)

    async def _hint_all(self) -> None:
        """Tell a worker that callbacks are waiting. Lost, it costs a second: the sweep looks."""
        loop = asyncio.get_running_loop()
        while True:
            await self._hint.wait()
            self._hint.clear()
            await loop.run_in_executor(None, publish, [ApplyReceipts()])
            await asyncio.sleep(HINT_EVERY)


def _path(scope: Scope) -> str:
    """The path below the mount point."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise TooLarge
        if not message.get("more_body"):
            return bytes(body)


def _kept(receipt: Receipt) -> Kept:
    status = receipt.status or receipt.provider_status
    return Kept(
        provider=receipt.provider,
        message_id=receipt.message_id,
        part=receipt.part,
        token=receipt.token,
        sid=receipt.sid or None,
        status=status,
        rank=RANK.get(receipt.status or "", 0),
        error_code=receipt.error_code,
        raw=receipt.raw.replace("\x00", "\ufffd"),
    )


def _store(callbacks: list[Kept]) -> None:
    with transaction() as connection:
        inbox.keep(connection, callbacks)


_OWN: Final = text("SELECT credentials FROM agent WHERE credentials IS NOT NULL")


def _own_tokens() -> dict[str, tuple[str, ...]]:
    """Auth tokens by account, of agents with an account of their own."""
    tokens: dict[str, tuple[str, ...]] = {}
    with transaction() as connection:
        for row in connection.execute(_OWN):
            own, trouble = opened(row.credentials)
            if own is None:
                log.warning("callbacks.tokens_not_opened", reason=trouble)
                continue
            known = tokens.get(own["account_sid"], ())
            tokens[own["account_sid"]] = (*known, own["auth_token"])
    return tokens


def _platform_tokens() -> dict[str, tuple[str, ...]]:
    """Those of the settings' own account: known whatever the database does."""
    try:
        platform = platform_credentials(settings())
    except Refused:
        return {}
    return {platform.account_sid: platform.auth_tokens}
