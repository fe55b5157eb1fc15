"""Evidence of what a provider did with a call: a 201, a callback, a listing, a poll.

One way in for all four, so that the rules hold for all: evidence speaks about the attempt whose
token it carries, and a callback only when the account of that call has signed it; it only ever
raises what is known, and fills what an earlier word for the same end left open; it moves the
message only by the table, and only when no later call for the same part may have gone; a superseded
attempt keeps its SID, and the duplicate is an incident.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, TextClause, text

from shared.domain.message import RANK
from shared.ledger import parts, strangers
from shared.ledger.evidence_statements import (
    APPLY,
    APPLY_KEPT,
    FILL_CODES,
    FILL_CODES_KEPT,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one observation says about one attempt."""

    message_id: int
    token: uuid.UUID
    sid: str | None
    #: a word of AttemptStatus, from accepted upwards
    status: str
    error_code: int | None = None
    sentence: str | None = None
    #: how it is known: answer, callback, listing, poll
    source: str = "callback"


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that was accepted and then failed with a code: what the code may be about."""

    message_id: int
    agent_key: int
    provider: str
    sender: str | None
    phone: str
    code: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What the evidence changed."""

    #: how many attempts it raised
    raised: int
    #: messages whose next part may go now, with the `due_at` (microseconds) that was written
    continued: list[tuple[int, int]]
    #: messages that went out under more than one token
    duplicates: list[int]
    #: calls that this evidence, and none before, says have failed with that code
    failures: list[Failure]


# Few calls fail: what a code may be about is read for those alone.
_ABOUT = text("""
    SELECT m.id, m.agent_key, agent.provider, r.phone
    FROM message m
    JOIN recipient r ON r.id = m.recipient_id
    JOIN agent ON agent.key = m.agent_key
    WHERE m.id = ANY (CAST(:ids AS bigint[]))
""")


def apply(
    connection: Connection, evidence: Sequence[Evidence], *, poll_after: timedelta
) -> Applied:
    """Apply all of `evidence` in one transaction; rows are locked in id order.

    Raises IntegrityError when a SID was bound elsewhere in the same instant: apply one by one then.
    """
    if not evidence:
        return Applied(0, [], [], [])
    parts.lock(connection, [e.message_id for e in evidence])
    given = _columns(evidence) | {"poll_after": poll_after}
    coded = [e for e in evidence if e.error_code is not None]
    fill = (FILL_CODES, _columns(coded)) if coded else None
    return _applied(connection, (APPLY, given), fill)


def apply_kept(
    connection: Connection, places: str, *, coded: Sequence[int], poll_after: timedelta
) -> Applied:
    """The same for waiting callbacks, whose messages the caller holds; marks them as applied.

    `places` is an array of their ctids, as Postgres writes it; they too must be held. `coded` are
    the `seq` of those with an error code.
    """
    given = {"places": places, "poll_after": poll_after}
    fill = (FILL_CODES_KEPT, {"seqs": list(coded)}) if coded else None
    return _applied(connection, (APPLY_KEPT, given), fill)


_Query = tuple[TextClause, Mapping[str, Any]]


def _applied(connection: Connection, raise_: _Query, fill: _Query | None) -> Applied:
    found = connection.execute(*raise_).one()
    if found.strangers:
        strangers.note(connection, found.strangers)
    failed = found.failed or []
    if fill is not None:
        failed = [*failed, *connection.execute(*fill)]
    return Applied(
        raised=found.raised,
        continued=parts.settle(connection, found.long_ones or []),
        duplicates=found.duplicates or [],
        failures=_failures(connection, failed),
    )


def _failures(
    connection: Connection, failed: Sequence[tuple[int, str | None, int]]
) -> list[Failure]:
    """From the message id, the sender and the code of each."""
    if not failed:
        return []
    ids = {"ids": sorted({message_id for message_id, _, _ in failed})}
    about = {row.id: row for row in connection.execute(_ABOUT, ids)}
    return [
        Failure(
            message_id,
            about[message_id].agent_key,
            about[message_id].provider,
            sender,
            about[message_id].phone,
            code,
        )
        for message_id, sender, code in failed
    ]


def _columns(evidence: Sequence[Evidence]) -> dict[str, list[Any]]:
    return {
        "ids": [e.message_id for e in evidence],
        "tokens": [e.token for e in evidence],
        "sids": [e.sid for e in evidence],
        "statuses": [e.status for e in evidence],
        "ranks": [RANK[e.status] for e in evidence],
        "codes": [e.error_code for e in evidence],
        "sentences": [e.sentence for e in evidence],
        "sources": [e.source for e in evidence],
    }
