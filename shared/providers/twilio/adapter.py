"""The adapter for Twilio: send one text, and look up messages afterwards.

Every failure becomes one of the four errors of shared.providers.errors, by the table in codes.py.
The adapter repeats nothing: its callers know what was written, and decide whether to try again.
"""

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]

from shared import clock
from shared.opaque import Json
from shared.providers.base import (
    Abilities,
    Accepted,
    Gate,
    Listed,
    OutboundText,
    Wrote,
)
from shared.providers.codes import Code, Disposition, Scope, Until
from shared.providers.errors import Later, Rejected, SendError, Unknown
from shared.providers.transport.pool import Response, Wire
from shared.providers.twilio.accounts import TwilioCredentials
from shared.providers.twilio.callbacks import STATUSES
from shared.providers.twilio.client import API_URL, CALL, Call, client_for, origin_of
from shared.providers.twilio.codes import look_up
from shared.providers.twilio.options import OPTIONS, SERVICE

PAGE_SIZE: Final = 50  # 50 of the longest texts are smaller than the limit of an answer
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds. A longer Retry-After is a clock error at the server, and would stop a campaign."""

LEAST_VALIDITY, MOST_VALIDITY = 5, 36_000
"""Seconds Twilio may try: below 5 is not advised, 36,000 is the most."""

_RETRY_AFTER: Final = "retry-after"

T = TypeVar("T")


class TwilioAdapter:
    """One Twilio account on this event loop. `timeout` is (connect, read) in seconds."""

    abilities = Abilities(
        returns_id=True,
        can_fetch=True,
        can_list=True,
        idempotency_key=False,
        callbacks_carry_our_token=True,
    )

    def __init__(
        self,
        credentials: TwilioCredentials,
        *,
        timeout: tuple[float, float],
        max_connections: int = 256,
        public_only: bool = False,
    ) -> None:
        self._wire = Wire(
            origin_of(credentials.api_url or API_URL),
            timeout=timeout,
            max_connections=max_connections,
            public_only=public_only,
        )
        self._client = client_for(credentials, self._wire)
        self._messages = self._client.messages

    def ready(self) -> bool:
        """Whether a warm connection is free; if not, one is opened."""
        if self._wire.idle:
            return True
        self._wire.warm(1)
        return False

    def warm(self, count: int) -> None:
        """Open connections until `count` are idle or being opened. Returns at once."""
        self._wire.warm(count)

    async def send(self, text: OutboundText, *, gate: Gate, wrote: Wrote) -> Accepted:
        """POST one message, once. Calls the gate after it took a connection. See base.Sends."""
        made = await _asked(
            Call(gate=gate, wrote=wrote), self._messages.create_async(**_fields(text))
        )
        if not isinstance(made.sid, str) or not made.sid:
            raise Unknown("It may have been sent: Twilio's answer carries no SID.")
        return Accepted(
            made.sid,
            STATUSES.get(made.status, "accepted"),
            _whole(made.num_segments) or None,  # a service counts later, and gives 0 until then
            made.status or "",
        )

    async def list_to(self, to: str, *, created_after: datetime) -> list[Listed]:
        """All messages to this number created since, both directions, to the last page.

        No date filter is sent: Twilio filters by the date sent, which a queued message lacks.
        """
        found = await _asked(Call(), self._messages.list_async(to=to, page_size=PAGE_SIZE))
        rows = [_listed(row) for row in found]
        return [row for row in rows if row.created_at is None or row.created_at >= created_after]

    async def newest(self, limit: int) -> list[Listed]:
        """The account's newest messages, newest first, without any filter."""
        found = await _asked(
            Call(), self._messages.list_async(limit=limit, page_size=min(limit, PAGE_SIZE))
        )
        return [_listed(row) for row in found]

    async def fetch(self, sid: str) -> Listed | None:
        """One message by its SID, or None if Twilio has none."""
        call = Call()
        try:
            return _listed(await _asked(call, self._messages(sid).fetch_async()))
        except SendError:
            if call.response is not None and call.response.status == 404:
                return None
            raise

    async def close(self) -> None:
        """Close every connection. Calls in flight end as Unknown."""
        await self._wire.close()


def outcome(response: Response, *, at: datetime) -> SendError:
    """The error for an answer other than success. `at` is now, for daily caps and HTTP dates."""
    status = response.status
    if status < 400 or status == 408 or status >= 500:
        return Unknown(f"It may have been sent: Twilio answered HTTP {status}.", http_status=status)
    code, sentence = _code_and_sentence(response)
    if code is None:
        return _without_code(response, at=at)
    row = look_up(code)
    if row.disposition is Disposition.UNKNOWN:
        return Unknown(row.sentence, row=row, http_status=status)
    if row.holds:
        seconds = row.seconds(at=at)
        if not isinstance(row.wait, Until):
            seconds = _retry_after(response, at=at, default=row.wait)
        return Later(
            row.sentence,
            scope=row.scope,
            seconds=seconds,
            provider_named_time=_RETRY_AFTER in response.headers,
            row=row,
            http_status=status,
        )
    if status == 429:  # with any code: Twilio never processes a 429
        return _busy(response, sentence, row=row, at=at)
    said = row.sentence if row.known or not sentence else sentence
    return Rejected(said, row=row, http_status=status)


def _without_code(response: Response, *, at: datetime) -> SendError:
    """The error for an answer that is not Twilio's JSON: from a proxy, or a wrong address."""
    status = response.status
    if status == 429:
        return _busy(response, "", row=None, at=at)
    if status in {401, 403, 404, 407}:
        return Later(
            f"The API answered HTTP {status}: check the credentials and the API address.",
            scope=Scope.ACCOUNT,
            seconds=None,
            http_status=status,
        )
    return Rejected(f"The API refused it with HTTP {status}.", http_status=status)


def _busy(response: Response, sentence: str, *, row: Code | None, at: datetime) -> Later:
    return Later(
        sentence or "Too many calls at once on this account.",
        scope=Scope.ACCOUNT,
        seconds=_retry_after(response, at=at, default=1.0),
        provider_named_time=_RETRY_AFTER in response.headers,
        row=row,
        http_status=429,
    )


def _retry_after(response: Response, *, at: datetime, default: float) -> float:
    """Seconds from a Retry-After header, a number or an HTTP date; `default` without one."""
    header = response.headers.get(_RETRY_AFTER, "").strip()
    if header.isdecimal():
        seconds = float(header)
    else:
        try:
            until = parsedate_to_datetime(header)
        except ValueError:
            return default
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - at).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _code_and_sentence(response: Response) -> tuple[int | None, str]:
    try:
        said = json.loads(response.body)
    except ValueError:
        return None, ""
    if not isinstance(said, dict):
        return None, ""
    sentence = said.get("message") or said.get("detail") or said.get("title") or ""
    return _whole(said.get("code")), str(sentence)[:500]


async def _asked(call: Call, asking: Awaitable[T]) -> T:
    """Run one request of the SDK as `call`; turn its failures into SendErrors."""
    token = CALL.set(call)
    try:
        return await asking
    except TwilioException:
        if call.response is None:
            raise
        raise outcome(call.response, at=clock.now()) from None
    except (ValueError, AttributeError, TypeError, KeyError):
        # The SDK could not read the answer. Without an answer it is a bug, or the gate's error.
        if call.response is None:
            raise
        raise Unknown(
            "It may have been sent: Twilio's answer cannot be read.",
            http_status=call.response.status,
        ) from None
    finally:
        CALL.reset(token)


def _fields(text: OutboundText) -> Json:
    """The SDK's arguments for one message."""
    fields: Json = {"to": text.to, "status_callback": text.status_callback}
    if text.body:
        fields["body"] = text.body
    service = text.options.get(SERVICE) or text.sender_pool
    if service:
        fields["messaging_service_sid"] = service
    if text.sender:
        fields["from_"] = text.sender
    fields |= _arguments(text)
    if text.seconds_left is not None:
        # A message in Twilio's queue must not go out after its time has passed.
        asked = fields.get("validity_period") or MOST_VALIDITY
        fields["validity_period"] = max(
            LEAST_VALIDITY, min(text.seconds_left, asked, MOST_VALIDITY)
        )
    return fields


def _arguments(text: OutboundText) -> Json:
    """The campaign's options, by the SDK's names. Pictures go with the first part."""
    arguments: Json = {}
    for name, value in text.options.items():
        if name == SERVICE or (name == "media_urls" and text.part > 0):
            continue
        option = OPTIONS.get(name)
        if option is None:
            raise Rejected(f"Twilio has no option {name!r}.")
        if value is not None:
            arguments[option.argument] = list(value) if isinstance(value, tuple) else value
    return arguments


def _listed(row: Any) -> Listed:
    if not isinstance(row.sid, str) or not row.sid:
        raise Unknown("Twilio's answer to a look-up carries no SID.")
    return Listed(
        sid=row.sid,
        to=row.to,
        sender=row.from_,
        sender_pool=row.messaging_service_sid,
        body=row.body,
        direction=row.direction,
        status=STATUSES.get(row.status),
        error_code=_whole(row.error_code),
        created_at=row.date_created,
        provider_status=row.status or "",
    )


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
