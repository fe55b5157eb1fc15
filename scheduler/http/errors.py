"""Every refusal in one shape: {"error": {"code", "message", "details"}}. Bad input is no 500."""

from typing import Final

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
from shared.errors import InWords, Misconfigured, Refused
from shared.logging import get_logger
from shared.opaque import Json

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
#: The status of a refusal's answer, by its code. What is not listed is 422: it cannot be taken.
STATUS: Final[dict[str, int]] = {
    code: status
    for status, codes in {
        401: ("unauthorized",),
        403: ("forbidden",),
        404: (
            *("agent_not_found", "campaign_not_found", "key_not_found", "message_not_found"),
            *("not_found", "not_suppressed"),
        ),
        405: ("method_not_allowed",),
        409: (
            *("agent_exists", "agent_in_use", "last_admin_key"),
            *("cancelled", "finished", "no_recipients", "not_retryable", "public_url_loopback"),
            *("still_importing", "wrong_status"),
            *("idempotency_key_reused", "in_progress"),
        ),
        413: ("too_large",),
        415: ("unsupported_media_type",),
        500: ("internal_error",),
        503: ("cannot_verify", "database_unavailable"),
    }.items()
    for code in codes
}
_UNREADABLE = ("invalid_request", "The request's body cannot be read. Send a JSON document.")


def status_of(error: InWords) -> int:
    """The HTTP status of the answer that tells this."""
    return 503 if isinstance(error, Misconfigured) else STATUS.get(error.code, 422)


def answer(error: InWords, *, in_address: bool = True) -> JSONResponse:
    """The response that tells an error.

    What is missing is 404 where the address names it; `in_address` is false where it names nothing:
    then the body does, and cannot be taken.
    """
    status = status_of(error)
    if status == 404 and not in_address:
        status = 422
    body = {"code": error.code, "message": error.message, "details": error.details}
    headers = {}
    if status in {429, 503} or error.code == "in_progress":
        headers["Retry-After"] = str(error.details.get("retry_after", RETRY_AFTER[status]))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": body}, status_code=status, headers=headers)


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

    async def in_words(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, InWords)
        return answer(error, in_address=bool(request.path_params))

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ValidationError | RequestValidationError)
        return answer(unreadable(error))

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code, words = _WORDS.get(error.status_code, _UNREADABLE)
        made = answer(Refused(code, words))
        made.headers.update(error.headers or {})
        return made

    async def unstorable(_: Request, error: Exception) -> JSONResponse:
        return answer(not_storable())

    async def database(_: Request, error: Exception) -> JSONResponse:
        return answer(of_database(error))

    app.add_exception_handler(InWords, in_words)
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
    )


async def _bug(_: Request, error: Exception) -> JSONResponse:
    words = "Something went wrong on our side. It was logged; trying again may help."
    return answer(Refused("internal_error", words))


#: Steps of an error's place that are ours, not the caller's.
_PLACES = {"body", "query", "path", "one", "many"}


def _detail(error: ErrorDetails, where: str) -> Json:
    steps = [str(step) for step in error["loc"] if step not in _PLACES]
    if error["type"] == "json_invalid":  # its place is a position in a text that has no fields
        steps = []
    field = ".".join(([where] if where else []) + steps)
    return {"field": field, "message": sentence(error), "type": error["type"]}
