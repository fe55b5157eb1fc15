"""Explain an error to the person at the terminal: one line, and the exit code.

It covers every error that a person can cause. Any other error is a bug, and shows its traceback.
"""

import errno
from typing import TYPE_CHECKING, NamedTuple

from shared.errors import InWords

if TYPE_CHECKING:
    from pydantic import ValidationError

BAD_USAGE, FAILURE = 2, 1
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Explanation(NamedTuple):
    """A line without the program's name, and the exit code."""

    sentence: str
    code: int


def explain(error: Exception) -> Explanation | None:
    """The line for this error; None for one that no setting and no input explains."""
    if isinstance(error, InWords):
        return _failed(error.message)
    if isinstance(error, OSError):
        return _failed(_of_system(error))
    return _of_libraries(error)


def _of_libraries(error: Exception) -> Explanation | None:
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError, TimeoutError

    from shared.db.trouble import explain as of_database
    from shared.settings import UnusableSettings

    if isinstance(error, UnusableSettings):
        return Explanation(str(error), BAD_USAGE)
    if isinstance(error, ValidationError):
        return Explanation(_first_mistake(error), BAD_USAGE)
    if isinstance(error, UnicodeEncodeError):
        return _failed(
            "a value cannot be stored: it holds half a character, or VOLLEY_DATABASE_URL names a "
            "database that is not encoded in UTF8"
        )
    if isinstance(error, TimeoutError):
        return _failed("the database is too busy to answer: try again in a moment")
    cause = error.orig if isinstance(error, DBAPIError) else error
    sentence = of_database(cause) if cause else None
    return _failed(sentence) if sentence else _of_queue(error)


def _of_queue(error: Exception) -> Explanation | None:
    from kombu.exceptions import OperationalError
    from redis import RedisError

    from shared.db.trouble import reason

    for kind, name, setting in (
        (RedisError, "store", "VOLLEY_REDIS_URL"),
        (OperationalError, "broker", "VOLLEY_BROKER_URL"),
    ):
        if isinstance(error, kind):
            return _failed(
                f"the {name} does not answer ({reason(error)}): is it running, and is {setting} "
                "right? 'volley doctor' tells more"
            )
    return None


def _of_system(error: OSError) -> str:
    where = str(error.filename) if error.filename else ""
    why = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return f"{where or 'VOLLEY_DATA_DIR'}: {why}: make room there, or set VOLLEY_DATA_DIR"
    return f"{where or 'the system'}: {why}"


def _first_mistake(error: "ValidationError") -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _failed(sentence: str) -> Explanation:
    return Explanation(" ".join(sentence.split()), FAILURE)
