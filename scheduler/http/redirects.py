"""Redirects that stay on the host they were asked of, whatever name the request gave it."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCATION: Final = b"location"


class RelativeRedirects:
    """ASGI middleware: a Location of ours carries no host.

    The framework builds it from the Host header, which a stranger writes and a proxy changes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def relative(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, _relative(value) if name.lower() == _LOCATION else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, relative)


def _relative(location: bytes) -> bytes:
    parts = urlsplit(location.decode("latin-1"))
    # Two slashes at the start would name a host again.
    path = "/" + parts.path.lstrip("/\\")
    return urlunsplit(("", "", path, parts.query, parts.fragment)).encode("latin-1")
