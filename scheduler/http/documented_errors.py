"""What /openapi.json says of refusals: each answer that a route can give, in our one shape.

Routes say what they give when all is well, and which state of things they conflict with. What every
route has from the layers before it (keys, bounds, JSON, `Idempotency-Key`) is added here.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from scheduler.http.auth import GUARDED
from scheduler.http.examples import add_examples
from shared.opaque import Json

_JSON: Final = "application/json"
_SHAPE: Final[Json] = {
    "title": "Refusal",
    "type": "object",
    "additionalProperties": False,
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "additionalProperties": False,
            "required": ["code", "message", "details"],
            "properties": {
                "code": {
                    "type": "string",
                    "pattern": "^[a-z][a-z0-9_]*$",
                    "examples": ["invalid_request"],
                },
                "message": {
                    "type": "string",
                    "minLength": 1,
                    "examples": ["name: Write something here."],
                },
                "details": {"type": "object", "examples": [{}]},
            },
        }
    },
}
_SAID: Final = {
    401: "No key, or one that opens nothing (any more).",
    403: "The key's role may not do that.",
    404: "There is no such thing.",
    409: "It conflicts with what is there. With code `in_progress`: ask again after Retry-After.",
    413: "The body is too large.",
    415: "The body is of another content type than this address takes.",
    422: "What was sent cannot be taken; the code and the message say why. `invalid_request`: it "
    "is not of this shape, or (`type: value_error` in `details.errors`) breaks a rule that no "
    "schema says. `not_available`: it is in the plan and not built yet.",
    503: "The database, or another part that is needed, is away. Try again after Retry-After.",
}
#: What each may look like: the code and the message of one that has this status.
_FOR_EXAMPLE: Final = {
    401: ("unauthorized", "This API key is not known, or was revoked. Use another."),
    403: ("forbidden", "This key is a viewer's; it takes an operator's."),
    404: ("campaign_not_found", "There is no campaign 99."),
    409: ("wrong_status", "The campaign is finished and cannot be paused."),
    413: ("too_large", "The request is larger than 1 MB. Split it."),
    415: ("unsupported_media_type", "Send JSON, with 'Content-Type: application/json'."),
    422: ("invalid_request", "name: Write something here."),
    503: ("database_unavailable", "The database does not answer. Try again in a moment."),
}
_SECONDS: Final = {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}
_HEADERS: Final[dict[int, Json]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    409: {"Retry-After": _SECONDS},
    503: {"Retry-After": _SECONDS | {"required": True}},
}
_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, the request gets the first one's answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

#: For a route that is no POST and can find things in a state that forbids it.
CONFLICTS: Final[dict[int | str, Json]] = {409: {}}


class Described(FastAPI):
    """The app, with a description that names the answers which are really given."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._describing = threading.Lock()

    def openapi(self) -> Json:
        """The description; made once, whole before anybody sees it."""
        with self._describing:
            fresh = self.openapi_schema is None
            found = super().openapi()
            if fresh:
                _complete(found)
            return found


def _complete(described: Json) -> None:
    schemas = described["components"]["schemas"]
    schemas["Refusal"] = _SHAPE
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape of a 422
        schemas.pop(unused, None)
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            told = operation["responses"]
            if path.startswith(f"{GUARDED}/") and method == "post":
                operation.setdefault("parameters", []).append(_KEY)
            for status in _refusals(path, method, operation):
                told[str(status)] = _refusal(status)
            operation["responses"] = dict(sorted(told.items()))
    for schema in schemas.values():
        if "properties" in schema:  # we say what we say, and nothing else
            schema.setdefault("additionalProperties", False)
    add_examples(described)


def _refusals(path: str, method: str, operation: Json) -> Iterator[int]:
    yield 413
    if not path.startswith(f"{GUARDED}/"):
        return
    yield from (401, 415, 422, 503)
    if method != "get" or "admin" in operation["tags"]:
        yield 403
    if "{" in path:
        yield 404
    if method == "post" or "409" in operation["responses"]:
        yield 409


def _refusal(status: int) -> Json:
    code, message = _FOR_EXAMPLE[status]
    shown = {
        "schema": {"$ref": "#/components/schemas/Refusal"},
        "example": {"error": {"code": code, "message": message, "details": {}}},
    }
    told: Json = {"description": _SAID[status], "content": {_JSON: shown}}
    return told | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
