"""Twilio's own client with our transport.

The SDK's resources build the request and read the answer; `WireTransport` carries it. Between
`create_async` and `WireTransport.request` the SDK only chains coroutines and never suspends. So the
gate is called here, at the last moment, after the connection was taken.
The transport makes no retries, follows no redirects and logs nothing: parameters are personal data.
"""

import base64
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from twilio.http import AsyncHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response as TwilioResponse  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from shared.providers.base import Gate, Wrote
from shared.providers.errors import Rejected, Unreachable
from shared.providers.transport.pool import Connection, Response, Wire, header_block
from shared.providers.twilio.accounts import TwilioCredentials

API_URL: Final = "https://api.twilio.com"

# The SDK's base class needs a logger; our code never writes to it.
_SILENT: Final = logging.getLogger("twilio.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

# The form encoding of each byte of UTF-8.
_FORM: Final = tuple(quote_plus(bytes([n])) for n in range(256))


@dataclass(slots=True)
class Call:
    """One request passing through the SDK. A call without a gate may wait for a connection."""

    gate: Gate | None = None
    wrote: Wrote | None = None
    response: Response | None = None


CALL: Final[ContextVar[Call]] = ContextVar("call")
"""The call that the SDK is making for this task. Set it before, read its response after."""


def client_for(credentials: TwilioCredentials, wire: Wire) -> Client:
    """The SDK's client for one account. Keep it: it makes its headers only once."""
    transport = WireTransport(wire)
    token = credentials.auth_tokens[0] if credentials.auth_tokens else ""
    client = _LeanClient(
        credentials.api_key or credentials.account,
        credentials.api_secret if credentials.api_key else token,
        credentials.account,
        http_client=transport,
        environment={"TWILIO_SETTINGS": "never read from the environment"},
    )
    user, password = client.auth
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    for method in ("GET", "POST"):
        headers = client.get_headers(method, None) | {"Authorization": f"Basic {pair}"}
        transport.headers[method] = header_block(headers)
    client.api.base_url = credentials.api_url or API_URL
    transport.origin = origin_of(client.api.base_url)
    return client


def origin_of(url: str) -> str:
    """`https://host:port` of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def form(data: Mapping[str, Any]) -> str:
    """The same text as urllib's urlencode(data, doseq=True), without the Nones, and faster."""
    return "&".join(
        f"{name}={_quote(one)}"
        for name, value in data.items()
        if value is not None
        for one in (value if isinstance(value, list) else (value,))
    )


class WireTransport(AsyncHttpClient):  # type: ignore[misc]  # the SDK is untyped
    """The SDK's transport: one request on a warm connection of `wire`."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(_SILENT, is_async=True)
        self._wire = wire
        self.headers: dict[str, bytes] = {}
        self.origin = ""

    async def request(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> TwilioResponse:
        """Take a connection, call the gate, write, call `wrote`; then wait for the answer."""
        call = CALL.get()
        path = self._path(uri, params)
        body = _body(data)
        connection = await self._wire.connection() if call.gate is None else self._take()
        try:
            if call.gate is not None:
                call.gate()
            answer = connection.request(method, path, headers=self.headers[method], body=body)
        except BaseException:
            self._wire.give_back(connection)
            raise
        if call.wrote is not None:
            call.wrote()
        call.response = response = await answer
        text = response.body.decode("utf-8", "replace")
        return TwilioResponse(response.status, text, response.headers)

    def _take(self) -> Connection:
        connection = self._wire.take()
        if connection is None:
            raise self._wire.no_connection()
        return connection

    def _path(self, uri: str, params: Mapping[str, Any] | None) -> str:
        path = uri.removeprefix(self.origin)
        if not path.startswith("/"):  # a next page may not send our credentials elsewhere
            raise Unreachable("Nothing was sent: the address lies outside the provider's API.")
        return f"{path}?{urlencode(params, doseq=True)}" if params else path


class _LeanClient(Client):  # type: ignore[misc]  # the SDK is untyped
    """The SDK's client without the headers, hosts and copies that it makes for every request."""

    async def request_async(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> TwilioResponse:
        transport = self.http_client
        assert isinstance(transport, WireTransport)
        return await transport.request(method, uri, params=params, data=data)


def _body(data: Mapping[str, Any] | None) -> bytes:
    try:
        return form(data).encode("ascii") if data else b""
    except UnicodeEncodeError:  # half of a surrogate pair
        raise Rejected("The text is not valid Unicode, so it cannot be sent.") from None


def _quote(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return "".join(map(_FORM.__getitem__, text.encode()))
