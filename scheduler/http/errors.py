"""Every refusal in one shape: {"error": {"code", "message", "details"}}. Bad input is no 500."""

from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from scheduler.validation_messages import sentence
from shared.errors import Refused
from shared.logging import get_logger

log = get_logger(__name__)

#: Seconds after which a refusal that passes by itself is worth another try.
RETRY_AFTER = {409: 2, 429: 1, 503: 2}

_WORDS = {
    401: ("unauthorized", "No valid API key. Send it as 'Authorization: Bearer KEY'."),
    403: ("forbidden", "This key may not do that."),
    404: ("not_found", "There is nothing here. /docs lists what there is."),
    405: ("method_not_allowed", "This address does not answer to that method. /docs lists them."),
    413: ("too_large", "The request is too large."),
    415: ("unsupported_media_type", "Send JSON, with 'Content-Type: application/json'."),
}
_UNREADABLE = ("invalid_request", "The request's body cannot be read. Send a JSON document.")


def answer(error: Refused) -> JSONResponse:
    """The response that tells a refusal."""
    body = {"code": error.code, "message": error.message, "details": error.details}
    headers = {}
    if error.status in {429, 503} or error.code == "in_progress":
        headers["Retry-After"] = str(error.details.get("retry_after", RETRY_AFTER[error.status]))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": body}, status_code=error.status, headers=headers)


def unreadable(error: ValidationError | RequestValidationError, *, where: str = "") -> Refused:
    """What pydantic found, as a sentence and a list. Values may be secret: none is repeated."""
    found = [_detail(detail, where) for detail in error.errors()]
    first = found[0]
    more = f" ({len(found) - 1} more in details)" if len(found) > 1 else ""
    field = f"{first['field']}: " if first["field"] else ""
    return Refused(
        "invalid_request",
        f"{field}{first['message']}{more}",
        details={"errors": found},
    )


def install(app: FastAPI) -> None:
    """Give all of the app's failures our shape."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return answer(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ValidationError | RequestValidationError)
        return answer(unreadable(error))

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code, words = _WORDS.get(error.status_code, _UNREADABLE)
        status = error.status_code if error.status_code in _WORDS else 422
        made = answer(Refused(code, words, status=status))
        made.headers.update(error.headers or {})
        return made

    async def unstorable(_: Request, error: Exception) -> JSONResponse:
        return answer(not_storable())

    async def database(_: Request, error: Exception) -> JSONResponse:
        return answer(of_database(error))

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    for kind in (DataError, psycopg.DataError, UnicodeEncodeError):
        app.add_exception_handler(kind, unstorable)
    for gone in (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError):
        app.add_exception_handler(gone, database)
    app.add_exception_handler(Exception, _bug)


def not_storable() -> Refused:
    """A value that JSON can hold and Postgres cannot."""
    return Refused(
        "invalid_text",
        "A value cannot be stored: it holds a NUL or half a character, or a number is too large.",
    )


def of_database(error: Exception) -> Refused:
    """The database is away. It says so once in the log, in a word, and 503 to whoever asks."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.warning("database.unavailable", error=type(cause).__name__)
    return Refused(
        "database_unavailable",
        "The database does not answer. Nothing was changed; try again in a moment.",
        status=503,
    )


async def _bug(_: Request, error: Exception) -> JSONResponse:
    words = "Something went wrong on our side. It was logged; trying again may help."
    return answer(Refused("internal_error", words, status=500))


#: Steps of an error's place that are ours, not the caller's.
_PLACES = {"body", "query", "path", "one", "many"}


def _detail(error: ErrorDetails, where: str) -> dict[str, Any]:
    steps = [str(step) for step in error["loc"] if step not in _PLACES]
    if error["type"] == "json_invalid":  # its place is a position in a text that has no fields
        steps = []
    field = ".".join(([where] if where else []) + steps)
    return {"field": field, "message": sentence(error), "type": error["type"]}
