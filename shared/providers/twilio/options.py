"""The options of a campaign that Twilio accepts beside text and numbers, as a table.

`max_price` has had no effect at Twilio since June 2024, and `send_at` would bypass our own pace,
quiet hours and STOP: neither is accepted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from shared.errors import Refused
from shared.opaque import Json
from shared.providers.transport.urls import check_media_url
from shared.providers.twilio.schema import is_service

MAX_MEDIA: Final = 10

SERVICE: Final = "messaging_service_sid"
"""A campaign's own messaging service, instead of its agent's: given like an option."""


@dataclass(frozen=True, slots=True)
class Option:
    """The SDK's name of an option, the words for a valid value, and the check of a value."""

    argument: str
    expects: str
    allows: Callable[[Any], bool]


def check_options(options: Json) -> None:
    """Refuse an option that Twilio would refuse, before a whole campaign fails on it."""
    service = options.get(SERVICE)
    if service is not None and not is_service(service):
        raise Refused(
            "invalid_option", f"Option {SERVICE!r} must be a SID: MG and 32 hexadecimal digits."
        )
    for name, value in options.items():
        if name == SERVICE:
            continue
        option = OPTIONS.get(name)
        if option is None:
            known = ", ".join(sorted(OPTIONS))
            raise Refused("unknown_option", f"There is no option {name!r}; there are: {known}.")
        if value is not None and not option.allows(value):
            raise Refused("invalid_option", f"Option {name!r} must be {option.expects}.")
    for url in options.get("media_urls") or ():
        check_media_url(url)
    if options.get("shorten_urls") and not service:
        raise Refused("invalid_option", f"Option 'shorten_urls' needs a {SERVICE} beside it.")


def _one_of(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return " or ".join(repr(word) for word in words), lambda value: value in words


def _whole(low: int, high: int) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"a whole number from {low} to {high}",
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def _sid(prefix: str) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"a SID that begins with {prefix}",
        lambda value: isinstance(value, str) and len(value) == 34 and value.startswith(prefix),
    )


def _texts(most: int) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"a list of 1 to {most} texts",
        lambda value: (
            isinstance(value, list)
            and 1 <= len(value) <= most
            and all(isinstance(item, str) for item in value)
        ),
    )


def _is_json_object(value: object) -> bool:
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


_FLAG: Final = ("true or false", lambda value: isinstance(value, bool))
_NUMBER: Final = ("a phone number such as +15005550006", lambda value: isinstance(value, str))
_JSON: Final = ("a JSON object written as a text", _is_json_object)

OPTIONS: Final[Mapping[str, Option]] = MappingProxyType(
    {
        "media_urls": Option("media_url", *_texts(MAX_MEDIA)),
        "validity_period": Option("validity_period", *_whole(1, 36_000)),
        "smart_encoded": Option("smart_encoded", *_FLAG),
        "provide_feedback": Option("provide_feedback", *_FLAG),
        "shorten_urls": Option("shorten_urls", *_FLAG),
        "send_as_mms": Option("send_as_mms", *_FLAG),
        "content_retention": Option("content_retention", *_one_of("retain", "discard")),
        "address_retention": Option("address_retention", *_one_of("retain", "obfuscate")),
        "risk_check": Option("risk_check", *_one_of("enable", "disable")),
        "traffic_type": Option("traffic_type", *_one_of("free")),
        "attempt": Option("attempt", *_whole(1, 1_000)),
        "persistent_action": Option("persistent_action", *_texts(10)),
        "application_sid": Option("application_sid", *_sid("AP")),
        "content_sid": Option("content_sid", *_sid("HX")),
        "content_variables": Option("content_variables", *_JSON),
        "fallback_from": Option("fallback_from", *_NUMBER),
    }
)
