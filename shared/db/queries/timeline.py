"""One message's story: its calls, what the provider said, what was decided, in order of time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.db.queries.reading import instant

_ATTEMPTS = text("SELECT * FROM attempt WHERE message_id = :id ORDER BY part, n")
_CALLBACKS = text("""
    SELECT seq, received_at, provider, part, sid, status, error_code, applied, token
    FROM callback WHERE message_id = :id ORDER BY seq
""")
_EVENTS = text("SELECT id, at, kind, details FROM event WHERE message_id = :id ORDER BY id")

#: When it happened, and the entry without `at`.
_Timed = tuple[datetime, dict[str, Any]]


def timeline(connection: Connection, message_id: int) -> list[dict[str, Any]]:
    """Entries {at, kind, text, …}: `text` is for an operator, the rest for programs.

    Kinds: claimed, the outcome of a call in a word, callback, and the decisions' own.
    """
    found: list[_Timed] = []
    attempts = connection.execute(_ATTEMPTS, {"id": message_id}).fetchall()
    for attempt in attempts:
        found += _attempt(attempt)
    numbers = {attempt.token: attempt.n for attempt in attempts}
    for callback in connection.execute(_CALLBACKS, {"id": message_id}):
        found.append(_callback(callback, numbers.get(callback.token)))
    for event in connection.execute(_EVENTS, {"id": message_id}):
        found.append(_event(event))
    found.sort(key=lambda timed: timed[0])
    return [{"at": instant(at), **entry} for at, entry in found]


def _attempt(row: Row[Any]) -> Iterator[_Timed]:
    facts = {"part": row.part, "attempt": row.n}
    called = f"Part {row.part + 1}, attempt {row.n}"
    sender = f", from {row.sender}" if row.sender else ""
    yield (
        row.claimed_at,
        {
            "kind": "claimed",
            "text": f"{called}: claimed by {row.claimed_by}{sender}.",
            **facts,
            "sender": row.sender,
            "worker": row.claimed_by,
        },
    )
    if row.check_at is not None and row.status == "sending":
        text_ = f"{called}: no outcome yet; the provider is asked about it now."
        yield row.check_at, {"kind": "check", "text": text_, **facts}
    if row.recorded_at is None:
        return
    yield (
        row.recorded_at,
        {
            "kind": (row.outcome or row.status).replace(" ", "_").partition(",")[0],
            "text": f"{called}: {_outcome(row)}",
            **facts,
            "sid": row.sid,
            "status": row.status,
            "http_status": row.http_status,
            "error_code": row.error_code,
        },
    )


def _outcome(row: Row[Any]) -> str:
    words = row.outcome or row.status
    as_sid = f" as {row.sid}" if row.sid else ""
    return f"{words}{as_sid}{_error(row.error_code, row.error_message)}."


def _callback(row: Row[Any], attempt: int | None) -> _Timed:
    late = "" if row.applied else " (not applied yet)"
    return row.received_at, {
        "kind": "callback",
        "text": f"{row.provider} reports {row.status}{_error(row.error_code, None)}{late}.",
        "part": row.part,
        "attempt": attempt,
        "sid": row.sid,
        "status": row.status,
        "error_code": row.error_code,
    }


def _event(row: Row[Any]) -> _Timed:
    by = row.details.get("by")
    said = row.details.get("text") or (f"{row.kind} at the {by}" if by == "claim" else row.kind)
    return row.at, {"kind": row.kind, "text": f"{said}.", "details": row.details}


def _error(code: int | None, sentence: str | None) -> str:
    if sentence:
        return f": {sentence.rstrip('.')}" + (f" ({code})" if code else "")
    return f" with error {code}" if code else ""
