"""How large a request may be. A body beyond it is refused as soon as that is known, not read."""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scheduler.http.errors import answer
from shared.errors import Refused
from shared.settings import settings

MEBIBYTE: Final = 1 << 20
#: Of a body that is too large, so much is still taken, so that the client hears the answer.
_DRAINED: Final = 32 * MEBIBYTE
_UPLOAD: Final = re.compile(r"/api/campaigns/?")


class BodyLimit:
    """ASGI middleware: uploads up to MAX_UPLOAD_MB, everything else up to 1 MB, else 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = bool(_UPLOAD.fullmatch(scope["path"]))
        most = settings().max_upload_mb * MEBIBYTE if upload else MEBIBYTE
        await _Limited(most, upload=upload, receive=receive, send=send).run(self._app, scope)


class _Limited:
    """One request that may turn out to be too large."""

    def __init__(self, most: int, *, upload: bool, receive: Receive, send: Send) -> None:
        # A multipart body is its file and a few hundred bytes of boundaries and settings.
        self._most = most + MEBIBYTE if upload else most
        self._upload = upload
        self._outer_receive = receive
        self._outer_send = send
        self._read = 0
        self._ended = False
        self._exceeded = False
        self._begun = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            self._exceeded = True
        else:
            await self._tried(app, scope)
        if self._exceeded and not self._begun:
            await self._drain()
            await answer(self._refusal())(scope, self._outer_receive, self._outer_send)

    async def _tried(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except _TooLarge:
            if self._begun:
                raise

    async def _receive(self) -> Message:
        message = await self._outer_receive()
        self._count(message)
        if self._read > self._most:
            self._exceeded = True
            raise _TooLarge
        return message

    async def _send(self, message: Message) -> None:
        if self._exceeded and not self._begun:
            return  # whatever the app makes of a body cut short, the answer is 413
        self._begun = True
        await self._outer_send(message)

    async def _drain(self) -> None:
        stop_at = self._read + _DRAINED
        while not self._ended and self._read < stop_at:
            self._count(await self._outer_receive())

    def _count(self, message: Message) -> None:
        self._read += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)

    def _refusal(self) -> Refused:
        most = settings().max_upload_mb if self._upload else 1
        mend = "Split the file, or raise VOLLEY_MAX_UPLOAD_MB." if self._upload else "Split it."
        return Refused(
            "too_large",
            f"The request is larger than {most} MB. {mend}",
            details={"max_mb": most},
        )


class _TooLarge(Exception):
    """More was read than allowed."""
