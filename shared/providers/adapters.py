"""The adapters in use: one per account and event loop, with warm connections."""

import asyncio
from weakref import WeakKeyDictionary

from shared.providers.base import Credentials, Sends
from shared.providers.registry import provider_named
from shared.settings import settings

_InUse = dict[tuple[str, Credentials], Sends]
_in_use: WeakKeyDictionary[asyncio.AbstractEventLoop, _InUse] = WeakKeyDictionary()


def adapter_for(name: str, credentials: Credentials) -> Sends:
    """The adapter of one account at the provider `name`, made on first use.

    Call it on the event loop that sends: connections belong to a loop. Raises Refused.
    """
    known = provider_named(name)
    in_use = _in_use.setdefault(asyncio.get_running_loop(), {})
    adapter = in_use.get((name, credentials))
    if adapter is None:
        adapter = in_use[name, credentials] = known.adapter(
            credentials,
            timeout=settings().http_timeout,
            public_only=credentials.url_from_agent and not settings().allow_private_urls,
        )
    return adapter


async def close_adapters() -> None:
    """Close all adapters of this event loop, at the end of a worker."""
    in_use = _in_use.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(adapter.close() for adapter in in_use.values()))
