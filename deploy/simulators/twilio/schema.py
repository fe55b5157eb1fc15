"""What Twilio's published description allows as a parameter's value, where it is a word or a form.

Source: twilio-oai, spec/json/twilio_api_v2010.json of 2026-04-14, the create of a message. What is
not named there is ignored, with a warning in Twilio's own log (20001).
"""

import re
from collections.abc import Iterable
from typing import Final

import orjson

OUTCOMES: Final = frozenset({"confirmed", "unconfirmed"})

_YES_OR_NO: Final = re.compile("true|false", re.IGNORECASE)
_WORDS: Final = {
    "ApplicationSid": re.compile("AP[0-9a-fA-F]{32}"),
    "ContentSid": re.compile("HX[0-9a-fA-F]{32}"),
    "MaxPrice": re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII),
    "Attempt": re.compile(r"\d+", re.ASCII),
    "ContentRetention": re.compile("retain|discard"),
    "AddressRetention": re.compile("retain|obfuscate"),
    "TrafficType": re.compile("free"),
    "ScheduleType": re.compile("fixed"),
    "RiskCheck": re.compile("enable|disable"),
    "ProvideFeedback": _YES_OR_NO,
    "ForceDelivery": _YES_OR_NO,
    "SmartEncoded": _YES_OR_NO,
    "ShortenUrls": _YES_OR_NO,
    "SendAsMms": _YES_OR_NO,
}
_CODES: Final = {"ContentSid": 21655, "MaxPrice": 21627}
_PARAMETERS_ARE_NOT_VALID: Final = 30400
_CONTENT_VARIABLES: Final = 21656


def objection(parameters: Iterable[tuple[str, str]]) -> int | None:
    """The code of the first parameter with a value that the description does not know, or None."""
    for name, value in parameters:
        word = _WORDS.get(name)
        if word is not None and value and not word.fullmatch(value):
            return _CODES.get(name, _PARAMETERS_ARE_NOT_VALID)
        if name == "ContentVariables" and value and not _is_object(value):
            return _CONTENT_VARIABLES
    return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
