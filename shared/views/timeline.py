"""One message's story: its calls, what the provider said, what was decided, in order of time."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from shared import clock
from shared.domain.instants import instant, spoken

_ATTEMPTS = text("SELECT * FROM attempt WHERE message_id = :id ORDER BY part, n")
_CALLBACKS = text("""
    SELECT seq, received_at, provider, part, sid, status, error_code, applied, token,
           account, stranger
    FROM callback WHERE message_id = :id ORDER BY seq
""")
_EVENTS = text("SELECT id, at, kind, details FROM event WHERE message_id = :id ORDER BY id")

#: Events that speak of one call.
_OF_A_CALL = ("ambiguous", "unknown", "stranger")
#: When it happened, and the entry without `at`.
_Timed = tuple[datetime, dict[str, Any]]


def timeline(
    connection: Connection, message_id: int, *, meaning: Callable[[str, int], str]
) -> list[dict[str, Any]]:
    """Entries {at, kind, text, …}: `text` is for an operator, the rest for programs.

    Kinds: claimed, the outcome of a call in a word, callback, and the decisions' own. `meaning`
    gives the sentence of a provider's error code.
    """
    found: list[_Timed] = []
    attempts = connection.execute(_ATTEMPTS, {"id": message_id}).fetchall()
    events = connection.execute(_EVENTS, {"id": message_id}).fetchall()
    doubted = {_call(event.details) for event in events if event.kind == "ambiguous"}
    for attempt in attempts:
        told = attempt.outcome == "ambiguous" and (attempt.part, attempt.n) in doubted
        found += _attempt(attempt, told=told)
    numbers = {attempt.token: attempt.n for attempt in attempts}
    for callback in connection.execute(_CALLBACKS, {"id": message_id}):
        found.append(_callback(callback, numbers.get(callback.token), meaning))
    found += map(_event, events)
    found.sort(key=lambda timed: timed[0])
    return [{"at": instant(at), **entry} for at, entry in found]


def _call(details: dict[str, Any]) -> tuple[Any, Any]:
    return details.get("part"), details.get("attempt")


def _attempt(row: Row[Any], *, told: bool) -> Iterator[_Timed]:
    """The claim, the look to come, and the outcome unless an event has `told` it."""
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
        looked = f"it will be looked for at {spoken(row.check_at)}"
        if row.check_at <= clock.now():
            looked = "it is about to be looked for"
        text_ = f"{called}: no outcome yet; {looked}."
        yield row.check_at, {"kind": "check", "text": text_, **facts}
    if row.recorded_at is None or told:
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
            "error_code": None if _accepted(row) else row.error_code,
        },
    )


def _accepted(row: Row[Any]) -> bool:
    """Whether the call was taken: then an error came later, by callback, and is told there."""
    return "accepted" in (row.outcome or "")


def _outcome(row: Row[Any]) -> str:
    words = row.outcome or row.status
    as_sid = f" as {row.sid}" if row.sid else ""
    error = "" if _accepted(row) else _error(row.error_code, row.error_message)
    return f"{words}{as_sid}{error}."


def _callback(row: Row[Any], attempt: int | None, meaning: Callable[[str, int], str]) -> _Timed:
    error = _error(row.error_code, meaning(row.provider, row.error_code)) if row.error_code else ""
    return row.received_at, {
        "kind": "callback",
        "text": f"{row.provider} reports {row.status}{error}{_unheard(row, attempt)}.",
        "part": row.part,
        "attempt": attempt,
        "sid": row.sid,
        "status": row.status,
        "error_code": row.error_code,
    }


def _unheard(row: Row[Any], attempt: int | None) -> str:
    """Why a callback has changed nothing; empty for one that was heard."""
    if not row.applied:
        return " (not applied yet)"
    if row.stranger:
        return f" (a stranger's: {row.account} did not make this call; never applied)"
    return " (it names no call of ours: never applied)" if attempt is None else ""


def _event(row: Row[Any]) -> _Timed:
    by = row.details.get("by")
    said = row.details.get("text") or (f"{row.kind} at the {by}" if by == "claim" else row.kind)
    part, attempt = _call(row.details)
    if row.kind in _OF_A_CALL and attempt is not None:
        said = f"Part {part + 1}, attempt {attempt}: {row.kind}: {said}"
    return row.at, {"kind": row.kind, "text": f"{said.rstrip('.')}.", "details": row.details}


def _error(code: int | None, sentence: str | None) -> str:
    if sentence:
        return f": {sentence.rstrip('.')}" + (f" ({code})" if code else "")
    return f" with error {code}" if code else ""
