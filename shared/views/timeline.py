"""One message's story: its calls, what the provider said, what was decided, in order of time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from sqlalchemy import Connection, Row, text

from shared import clock
from shared.domain.instants import instant, spoken
from shared.opaque import Json
from shared.views.fields import AN_INSTANT, Instant, told

_ATTEMPTS = text("SELECT * FROM attempt WHERE message_id = :id ORDER BY part, n")
_CALLBACKS = text("""
    SELECT seq, received_at, provider, part, sid, status, error_code, applied, token,
           account, stranger
    FROM callback WHERE message_id = :id ORDER BY seq
""")
_EVENTS = text("SELECT id, at, kind, details FROM event WHERE message_id = :id ORDER BY id")

#: Events that speak of one call.
_OF_A_CALL = ("ambiguous", "unknown", "stranger")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    at: Annotated[Instant | None, told("When it happened, or will.", AN_INSTANT)]
    kind: Annotated[str, told("A word for programs.", "accepted")]
    text: Annotated[str, told("What happened, for an operator.", "Part 1, attempt 1: accepted.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfACall(_Told):
    part: Annotated[int, told("Which part, from 0.", 0)]
    attempt: Annotated[int, told("Which attempt, from 1.", 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEntry(_OfACall):
    """A worker took it, to call the provider."""

    sender: Annotated[str | None, told("The number it goes from.", "+15005550006")]
    worker: Annotated[str, told("Which worker.", "worker-1:812")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEntry(_OfACall):
    """Nobody has seen the call's end: when it is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeEntry(_OfACall):
    """The end of a call."""

    sid: Annotated[str | None, told("The provider's id.", "SM1")]
    status: Annotated[str, told("The call's status now.", "accepted")]
    http_status: Annotated[int | None, told("What the provider answered with.", 201)]
    error_code: Annotated[int | None, told("The provider's code.", None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackEntry(_Told):
    """What the provider said later."""

    part: Annotated[int | None, told("Which part, from 0.", 0)]
    attempt: Annotated[int | None, told("Which attempt; null: it names none of ours.", 1)]
    sid: Annotated[str | None, told("The provider's id.", "SM1")]
    status: Annotated[str, told("The provider's word.", "delivered")]
    error_code: Annotated[int | None, told("The provider's code.", None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry(_Told):
    """What Volley or a person decided."""

    details: Annotated[Json, told("Its circumstances; they differ by kind.", {"by": "claim"})]


TimelineEntry: TypeAlias = ClaimedEntry | OutcomeEntry | CheckEntry | CallbackEntry | DecisionEntry
#: When it happened, and the entry that says so.
_Timed = tuple[datetime, TimelineEntry]


def timeline(
    connection: Connection, message_id: int, *, meaning: Callable[[str, int], str]
) -> list[TimelineEntry]:
    """The entries, the oldest first: `text` is for an operator, the rest for programs.

    Kinds: claimed, the outcome of a call in a word, callback, and the decisions' own. `meaning`
    gives the sentence of a provider's error code.
    """
    found: list[_Timed] = []
    attempts = connection.execute(_ATTEMPTS, {"id": message_id}).fetchall()
    events = connection.execute(_EVENTS, {"id": message_id}).fetchall()
    doubted = {_call(event.details) for event in events if event.kind == "ambiguous"}
    for attempt in attempts:
        told_by_event = attempt.outcome == "ambiguous" and (attempt.part, attempt.n) in doubted
        found += _attempt(attempt, told_by_event=told_by_event)
    numbers = {attempt.token: attempt.n for attempt in attempts}
    for callback in connection.execute(_CALLBACKS, {"id": message_id}):
        found.append(_callback(callback, numbers.get(callback.token), meaning))
    found += map(_event, events)
    found.sort(key=lambda timed: timed[0])
    return [entry for _, entry in found]


def _call(details: Json) -> tuple[int | None, int | None]:
    """The part and the attempt that an event speaks of, if it speaks of one."""
    return details.get("part"), details.get("attempt")


def _attempt(row: Row[Any], *, told_by_event: bool) -> Iterator[_Timed]:
    """The claim, the look to come, and the outcome unless an event has told it."""
    called = f"Part {row.part + 1}, attempt {row.n}"
    sender = f", from {row.sender}" if row.sender else ""
    yield (
        row.claimed_at,
        ClaimedEntry(
            at=instant(row.claimed_at),
            kind="claimed",
            text=f"{called}: claimed by {row.claimed_by}{sender}.",
            part=row.part,
            attempt=row.n,
            sender=row.sender,
            worker=row.claimed_by,
        ),
    )
    if row.check_at is not None and row.status == "sending":
        yield row.check_at, _check(row, called)
    if row.recorded_at is not None and not told_by_event:
        yield row.recorded_at, _end(row, called)


def _check(row: Row[Any], called: str) -> CheckEntry:
    looked = f"it will be looked for at {spoken(row.check_at)}"
    if row.check_at <= clock.now():
        looked = "it is about to be looked for"
    return CheckEntry(
        at=instant(row.check_at),
        kind="check",
        text=f"{called}: no outcome yet; {looked}.",
        part=row.part,
        attempt=row.n,
    )


def _end(row: Row[Any], called: str) -> OutcomeEntry:
    return OutcomeEntry(
        at=instant(row.recorded_at),
        kind=(row.outcome or row.status).replace(" ", "_").partition(",")[0],
        text=f"{called}: {_outcome(row)}",
        part=row.part,
        attempt=row.n,
        sid=row.sid,
        status=row.status,
        http_status=row.http_status,
        error_code=None if _accepted(row) else row.error_code,
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
    return row.received_at, CallbackEntry(
        at=instant(row.received_at),
        kind="callback",
        text=f"{row.provider} reports {row.status}{error}{_unheard(row, attempt)}.",
        part=row.part,
        attempt=attempt,
        sid=row.sid,
        status=row.status,
        error_code=row.error_code,
    )


def _unheard(row: Row[Any], attempt: int | None) -> str:
    """Why a callback has changed nothing; empty for one that was heard."""
    if not row.applied:
        return " (not applied yet)"
    if row.stranger:
        return f" (a stranger's: {row.account} did not make this call; never applied)"
    return " (it names no call of ours: never applied)" if attempt is None else ""


def _event(row: Row[Any]) -> _Timed:
    by = row.details.get("by")
    said: str = row.details.get("text") or (
        f"{row.kind} at the {by}" if by == "claim" else row.kind
    )
    part, attempt = _call(row.details)
    if row.kind in _OF_A_CALL and part is not None and attempt is not None:
        said = f"Part {part + 1}, attempt {attempt}: {row.kind}: {said}"
    return row.at, DecisionEntry(
        at=instant(row.at), kind=row.kind, text=f"{said.rstrip('.')}.", details=row.details
    )


def _error(code: int | None, sentence: str | None) -> str:
    if sentence:
        return f": {sentence.rstrip('.')}" + (f" ({code})" if code else "")
    return f" with error {code}" if code else ""
