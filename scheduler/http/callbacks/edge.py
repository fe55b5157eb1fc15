"""The edge for providers' callbacks: verify, store, answer. It decides nothing.

A bare ASGI app, not a framework route: it must take thousands of callbacks a second. What was
answered with 204 is durable (group_commit.py says how); a callback that could be stored nowhere is
answered 503, and the provider repeats it (our addresses ask for that). What it means is decided
later, in batches, by a task.
"""

import asyncio
from collections import Counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from scheduler.http.callbacks.group_commit import Keeper
from scheduler.http.callbacks.signing_tokens import Tokens
from scheduler.http.errors import status_of
from shared import metrics
from shared.errors import InWords
from shared.ledger.callbacks import row_of
from shared.providers.accounts import account_name
from shared.providers.base import Forged, Receipt, Reports
from shared.providers.registry import provider_named
from shared.settings import settings

BODY_LIMIT: Final = 64 * 1024
#: The counters hear so often how callbacks were answered.
COUNT_EVERY: Final = 0.5

_EMPTY: Final = (b"content-length", b"0")
_AGAIN: Final = (b"retry-after", b"1")


class TooLarge(Exception):
    """The body is longer than any callback."""


class CallbackEdge:
    """POST /webhooks/{provider}/{kind}, mounted at /webhooks.

    There is a door for each kind of callback that a provider declares (`Provider.callbacks`).
    """

    def __init__(self) -> None:
        self._base = settings().callback_base
        self._keeper = Keeper()
        self._tokens = Tokens()
        self._answers: Counter[int] = Counter()

    async def start(self) -> None:
        """Start keeping. Called once, on the loop that serves."""
        self._keeper.start()
        self._tokens.start()

    async def stop(self) -> None:
        """Keep what is waiting, then end."""
        await self._keeper.stop()
        await self._tokens.stop()
        self._tell()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One callback: genuine or 403, durable before 204."""
        status = await self._answer(scope, receive)
        self._count(status)
        await send(_begun(status))
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Scope, receive: Receive) -> int:
        provider, _, kind = _path(scope).strip("/").partition("/")
        if scope["method"] != "POST":
            return 405
        try:
            reports = provider_named(provider).reports(kind)
            body = await _body(receive)
            receipt = await self._genuine(provider, reports, scope, body)
        except TooLarge:
            return 413
        except Forged:
            return 403
        except InWords as error:
            return 404 if error.code == "not_available" else status_of(error)
        return 204 if await self._keeper.keep(row_of(receipt)) else 503

    async def _genuine(self, provider: str, reports: Reports, scope: Scope, body: bytes) -> Receipt:
        """The receipt of a callback that its provider signed. Raises Forged."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        account = reports.account_of(headers, body)
        url = f"{self._base}{scope['path']}" + (f"?{query}" if query else "")
        signer = account_name(provider, account)
        known = self._tokens.known(signer)
        try:
            params = reports.verify(url, headers, body=body, tokens=known)
        except Forged:
            # A new agent's, or signed with a token that was given to us a moment ago?
            fresh = await self._tokens.asked(signer)
            if fresh == known:
                raise
            params = reports.verify(url, headers, body=body, tokens=fresh)
        receipt = reports.parse(query, params, raw=body.decode("utf-8", "replace"))
        if receipt.account != account:
            raise Forged("The callback names another account than the one that signed it.")
        return receipt

    def _count(self, status: int) -> None:
        # One by one these counters cost a tenth of a callback: they live in a shared file.
        if not self._answers:
            asyncio.get_running_loop().call_later(COUNT_EVERY, self._tell)
        self._answers[status] += 1

    def _tell(self) -> None:
        for status, count in self._answers.items():
            metrics.callbacks.labels(str(status)).inc(count)
        self._answers.clear()


def _path(scope: Scope) -> str:
    """The path below the mount point."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _begun(status: int) -> Message:
    """The answer's beginning; a 204 has no length (RFC 9110, 8.6)."""
    headers = [] if status == 204 else [_EMPTY]
    if status == 503:
        headers.append(_AGAIN)
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        more: bytes = message.get("body", b"")
        body += more
        if len(body) > BODY_LIMIT:
            raise TooLarge
        if not message.get("more_body"):
            return body
