"""What is said between an importer's parent and its child: a line of JSON each, over a socket."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import orjson
import psycopg
from sqlalchemy.exc import OperationalError

from scheduler.ingest.load.turns import Turn
from scheduler.ingest.uploads import LeaseLost
from shared.errors import InWords, Misconfigured, Refused, VolleyError
from shared.opaque import Json

#: An order: the campaign's number in so many bytes, and with it the child's end of a socket.
ORDER_BYTES: Final = 8
#: The parent's only word to its child: end behind the chunk in hand.
STOP: Final = b"s"


class ImportFailed(VolleyError):
    """The child met a bug and has logged it."""


def say_where(connection: socket.socket, database_url: str) -> None:
    """To a new fork server, before any order: whose children use that database."""
    told = database_url.encode()
    connection.sendall(struct.pack("!I", len(told)) + told)


def hear_where(connection: socket.socket) -> str:
    """What `say_where` says; "" if there is no database, or nobody to say it any more."""
    size = connection.recv(4, socket.MSG_WAITALL)
    if len(size) < 4:
        return ""
    (length,) = struct.unpack("!I", size)
    return connection.recv(length, socket.MSG_WAITALL).decode()


def say(connection: socket.socket, **said: object) -> None:
    """A line. Nobody there to hear it is no error."""
    with suppress(OSError):
        connection.sendall(b"\n" + orjson.dumps(said) + b"\n")


def say_turn(connection: socket.socket, turn: Turn | None) -> None:
    """To a new child, before anything else: when its import gives way."""
    said = {"quick": turn.quick, "failed": list(turn.failed)} if turn else {}
    connection.sendall(orjson.dumps(said) + b"\n")


def hear_turn(connection: socket.socket) -> Turn | None:
    """What `say_turn` says; None for nothing, or from a parent that is no more."""
    heard = b""
    while not heard.endswith(b"\n"):
        piece = connection.recv(1)  # what follows is for whoever listens next
        if not piece:
            return None
        heard += piece
    said = orjson.loads(heard)
    return Turn(quick=said["quick"], failed=tuple(said["failed"])) if said else None


def lines(heard: bytes) -> Iterator[Json]:
    """What was said; a line that a death cut short was not."""
    for line in heard.split(b"\n"):
        try:
            said = orjson.loads(line) if line else None
        except orjson.JSONDecodeError:
            continue
        if isinstance(said, dict):
            yield said


_IN_WORDS: Final = {"refused": Refused, "misconfigured": Misconfigured}


def told(error: Exception) -> Json:
    """An import's error, to be raised anew by `raised`."""
    if isinstance(error, InWords):
        kind = "refused" if isinstance(error, Refused) else "misconfigured"
        given = {"message": error.message, "details": error.details}
        return {"error": kind, "code": error.code} | given
    if isinstance(error, LeaseLost):
        return {"error": "lease_lost", "message": str(error)}
    if isinstance(error, OperationalError | psycopg.OperationalError):
        return {"error": "database", "message": type(error).__name__}
    return {"error": "bug", "message": type(error).__name__}


def raised(said: Json) -> Exception:
    """The error that `told` told."""
    message = str(said.get("message", ""))
    if said["error"] in _IN_WORDS:
        return _IN_WORDS[said["error"]](said["code"], message, details=said["details"])
    if said["error"] == "lease_lost":
        return LeaseLost(message)
    if said["error"] == "database":
        return OperationalError("an import", None, psycopg.OperationalError(message))
    return ImportFailed(f"the import met a bug: {message}")
