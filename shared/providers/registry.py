"""The list of the providers' folders: a new provider is one line in each of these names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from shared.errors import Refused
from shared.providers.provider import Provider
from shared.providers.twilio import schema as twilio_schema
from shared.providers.twilio.provider import TWILIO

Name = Literal["twilio", "vonage", "convocore", "agentphone", "bland", "stuut"]
"""The providers that an agent may name, including those that are not built yet."""

DEFAULT: Final[Name] = "twilio"
"""The provider of an agent that names none."""

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({one.name: one for one in (TWILIO,)})


class AgentFields(twilio_schema.AgentFields):
    """The fields that the providers' schemas add to an agent's body: its account, its senders."""


def provider_named(name: str) -> Provider:
    """The record of a provider. Raises Refused for one that is not built."""
    known = PROVIDERS.get(name)
    if known is None:
        raise Refused(
            "not_available",
            f"Provider {name!r} is not built yet; available: {', '.join(sorted(PROVIDERS))}.",
        )
    return known
