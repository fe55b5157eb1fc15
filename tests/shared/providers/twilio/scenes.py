"""One text, one answer, and what came of it: what the tests of the adapter share."""

from collections.abc import Callable
from typing import Any

from shared.providers.base import OutboundText
from shared.providers.errors import Rejected
from shared.providers.twilio.accounts import TwilioCredentials
from shared.providers.twilio.adapter import TwilioAdapter
from tests.shared.providers.stub import Request, Stub, reply
from tests.support.eventually import until

ACCOUNT, SID = "AC" + "1" * 32, "SM" + "2" * 32
TEXT = OutboundText(
    to="+15551234567",
    body="Hi Ana – 20% off & more?",
    sender="+15557654321",
    sender_pool=None,
    status_callback="https://sms.example.org/webhooks/twilio/status?m=1&p=0&a=ab#rc=3&rp=ct,rt,5xx",
)
MADE = {
    "sid": SID, "status": "queued", "num_segments": "1", "to": TEXT.to, "from": TEXT.sender,
    "direction": "outbound-api", "body": "Sent: hi", "error_code": None,
    "messaging_service_sid": None, "date_created": "Fri, 20 Nov 2026 15:24:30 +0000",
}  # fmt: skip


def adapter(url: str, **changes: Any) -> TwilioAdapter:
    credentials = TwilioCredentials(ACCOUNT, ("token", "older"), api_url=url)
    return TwilioAdapter(changes.pop("credentials", credentials), timeout=(1.0, 0.3), **changes)


async def ready(twilio: TwilioAdapter) -> None:
    twilio.warm(1)
    await until(twilio.ready, seconds=3)


def nothing() -> None:
    """A gate that lets pass, a hook that does nothing."""


async def sent(
    answer: bytes | Callable[..., Any],
    text: OutboundText = TEXT,
    *,
    gate: Callable[..., Any] = nothing,
    wrote: Callable[..., Any] = nothing,
    **changes: Any,
) -> tuple[list[Any], Rejected] | tuple[list[Any], ValueError] | tuple[list[Request], Any]:
    """Send one text to a server that gives this answer: what it saw, and what came of it."""
    answering = (lambda *_: answer) if isinstance(answer, bytes) else answer
    async with Stub(answering) as server:
        twilio = adapter(server.url, **changes)
        try:
            await ready(twilio)
            outcome = await twilio.send(text, gate=gate, wrote=wrote)
        except Exception as error:  # the outcome under test
            outcome = error  # type: ignore[assignment]
        finally:
            await twilio.close()
        return server.requests, outcome


def error(status: int, code: int, message: str = "Twilio's own sentence.", **headers: Any) -> bytes:
    return reply(status, {"code": code, "message": message, "status": status}, **headers)
