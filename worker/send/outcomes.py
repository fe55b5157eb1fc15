"""Turn what one call came to into what is recorded. Pure but for jitter."""

import random

from shared.errors import Later, Rejected, Scope, SendError, Unreachable
from shared.ledger.claim import Claimed
from shared.ledger.evidence import Evidence
from shared.ledger.holds import NewHold
from shared.ledger.record import Doubt, Refusal, Return
from shared.providers.base import Accepted
from shared.providers.registry import what_it_means

#: Seconds a message waits after a call that could not be written: anything between these two.
_UNREACHABLE_AFTER = (1.0, 4.0)
#: A hold without an end waits for a person; its rows look again this often.
_HELD_AFTER = 300.0


Outcome = Evidence | Return | Refusal | Doubt


def accepted(claimed: Claimed, answer: Accepted) -> Evidence:
    """A 201: the provider gave it a SID."""
    return Evidence(
        message_id=claimed.message_id,
        token=claimed.token,
        sid=answer.sid,
        status=answer.status,
        source="answer",
    )


def not_sent(claimed: Claimed, outcome: str, *, after: float = 0.0) -> Return:
    """Nothing was written: the fence, a missed slot, a stopping worker."""
    return Return(claimed.message_id, claimed.token, outcome, after=after)


def failed(claimed: Claimed, error: SendError, *, provider: str) -> Outcome:
    """Any other end of a call, by what it means for the message."""
    if isinstance(error, Later):
        wait = _HELD_AFTER if error.seconds is None else error.seconds
        return Return(
            claimed.message_id,
            claimed.token,
            "throttled" if error.seconds is not None else "held",
            after=wait * random.uniform(1.0, 1.25),
            error_code=error.code,
            sentence=error.sentence,
        )
    if isinstance(error, Unreachable):
        return Return(
            claimed.message_id,
            claimed.token,
            "not written",
            after=random.uniform(*_UNREACHABLE_AFTER),
            sentence=error.sentence,
        )
    if isinstance(error, Rejected):
        return Refusal(
            claimed.message_id,
            claimed.token,
            error.sentence,
            error_code=error.code,
            http_status=error.http_status,
            suppress=_opted_out(provider, error.code),
        )
    return Doubt(
        claimed.message_id,
        claimed.token,
        error.sentence,
        error_code=error.code,
        http_status=error.http_status,
    )


def held(claimed: Claimed, *, provider: str, error: Later) -> NewHold:
    """The hold in Postgres that a code about a sender, a country or an account asks for."""
    fix = what_it_means(provider, error.code).fix if error.code is not None else error.sentence
    subjects = {Scope.SENDER: claimed.sender or "", Scope.COUNTRY: claimed.phone}
    return NewHold(
        agent_key=claimed.agent_key,
        scope=error.scope.value,
        subject=subjects.get(error.scope, ""),
        code=error.code or 0,
        seconds=error.seconds,
        fix=fix,
    )


def _opted_out(provider: str, code: int | None) -> bool:
    return code is not None and what_it_means(provider, code).opted_out


def for_people(error: Later, provider: str) -> bool:
    """Whether a wait is one that people should see: until it is mended, or until the day ends."""
    if error.seconds is None:
        return True
    return error.code is not None and what_it_means(provider, error.code).daily
