"""What is wrong with a value a person gave, in a sentence; the HTTP API and the CLI both say it."""

from typing import Final

from pydantic_core import ErrorDetails

_INSTANT: Final = "Write an instant with its offset from UTC, such as 2026-12-01T18:00Z."
_SAID: Final = {
    "missing": "This is missing; give it.",
    "extra_forbidden": "There is no such field; leave it out.",
    "json_invalid": "The body is not JSON.",
    "model_attributes_type": "A JSON object is expected here.",
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_type": _INSTANT,
    "timezone_aware": _INSTANT,
    "string_pattern_mismatch": "It does not have the form that is expected here.",
}
#: With the limit that was passed.
_LIMITED: Final = {
    "greater_than_equal": "It must be at least {ge}.",
    "less_than_equal": "It must be at most {le}.",
    "greater_than": "It must be more than {gt}.",
    "less_than": "It must be less than {lt}.",
    "string_too_long": "At most {max_length} characters fit here.",
    "literal_error": "Choose {expected}.",
}


def sentence(error: ErrorDetails) -> str:
    """One mistake that pydantic found. The value may be secret: it is not repeated."""
    kind = error["type"]
    said = _SAID.get(kind) or error["msg"].removeprefix("Value error, ")
    if kind in _LIMITED:
        said = _LIMITED[kind].format(**error.get("ctx", {}))
    if kind == "string_too_short":
        said = "It is empty; give it."
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "!")) else f"{said}."
