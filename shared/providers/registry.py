"""From a provider's name to its adapter. One adapter per account and event loop, kept warm."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakKeyDictionary

from shared.errors import Refused
from shared.providers.base import Credentials, Reports, Sends
from shared.providers.twilio import callbacks as twilio_callbacks
from shared.providers.twilio import options as twilio_options
from shared.providers.twilio.adapter import TwilioAdapter
from shared.providers.twilio.codes import Code, look_up
from shared.settings import settings

_ADAPTERS: Final = MappingProxyType({"twilio": TwilioAdapter})
#: What a provider reports, by kind: the last word of the address that it calls.
_REPORTS: Final[Mapping[tuple[str, str], Reports]] = MappingProxyType(
    {("twilio", "status"): twilio_callbacks}
)

_Kept = dict[tuple[str, Credentials], Sends]
_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept] = WeakKeyDictionary()


def adapter_for(provider: str, credentials: Credentials) -> Sends:
    """The adapter of one account, made on first use. Ask it `isinstance(…, Lists)` for look-ups.

    Call it on the event loop that sends: connections belong to a loop. Raises Refused (422).
    """
    known = _ADAPTERS.get(provider)
    if known is None:
        raise _not_available(provider)
    kept = _kept.setdefault(asyncio.get_running_loop(), {})
    adapter = kept.get((provider, credentials))
    if adapter is None:
        adapter = kept[provider, credentials] = known(
            credentials,
            timeout=settings().http_timeout,
            public_only=credentials.url_from_agent and not settings().allow_private_urls,
        )
    return adapter


def reports_of(provider: str, kind: str = "status") -> Reports:
    """How a provider's callbacks of that kind are verified and read. Raises Refused (422)."""
    known = _REPORTS.get((provider, kind))
    if known is None:
        raise _not_available(provider)
    return known


def what_it_means(provider: str, code: int) -> Code:
    """The row of a provider's error code: what it means, for whom, and what to do about it."""
    if provider not in _ADAPTERS:
        raise _not_available(provider)
    return look_up(code)


def check_options(
    provider: str, options: Mapping[str, Any], *, messaging_service_sid: str | None
) -> None:
    """Raises Refused (422) for an option of a campaign that the provider would refuse."""
    if provider not in _ADAPTERS:
        raise _not_available(provider)
    twilio_options.check_options(options, messaging_service_sid=messaging_service_sid)


async def close_adapters() -> None:
    """Close all of this event loop's adapters: the last thing a worker does."""
    kept = _kept.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(adapter.close() for adapter in kept.values()))


def _not_available(provider: str) -> Refused:
    return Refused(
        "not_available",
        f"Provider {provider!r} is not built yet; available: {', '.join(sorted(_ADAPTERS))}.",
    )
