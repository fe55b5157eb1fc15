"""Turn the outcome of one call into the record to write. Pure except for jitter."""

import random

from shared.ledger.claim import Claimed
from shared.ledger.evidence import Evidence
from shared.ledger.holds import NewHold, hold_on
from shared.ledger.record import Doubt, Refusal, Return
from shared.providers.base import Accepted
from shared.providers.errors import Later, Rejected, SendError, Unreachable

#: A message whose call could not be written waits between these two, in seconds.
_UNREACHABLE_AFTER = (1.0, 4.0)
#: Seconds after which a message tries again under a hold that only a person lifts.
_RECHECK_HOLD_AFTER = 300.0


Outcome = Evidence | Return | Refusal | Doubt


def accepted(claimed: Claimed, answer: Accepted) -> Evidence:
    """The evidence of a 201: the provider gave the message a SID."""
    return Evidence(
        message_id=claimed.message_id,
        token=claimed.token,
        sid=answer.sid,
        status=answer.status,
        source="answer",
    )


def not_sent(claimed: Claimed, outcome: str, *, after: float = 0.0) -> Return:
    """A return: nothing was written (the fence, a missed slot, a stopping worker)."""
    return Return(claimed.message_id, claimed.token, outcome, after=after)


def failed(claimed: Claimed, error: SendError) -> Outcome:
    """The record of a call that failed: a return, a refusal or a doubt."""
    if isinstance(error, Later):
        wait = _RECHECK_HOLD_AFTER if error.seconds is None else error.seconds
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
            suppress=error.opted_out,
        )
    return Doubt(
        claimed.message_id,
        claimed.token,
        error.sentence,
        error_code=error.code,
        http_status=error.http_status,
    )


def hold_for(claimed: Claimed, error: Later) -> NewHold | None:
    """The hold that the error asks for; None when only this message has to wait."""
    return hold_on(
        error.scope,
        agent_key=claimed.agent_key,
        sender=claimed.sender,
        phone=claimed.phone,
        code=error.code,
        seconds=error.seconds,
        fix=error.fix,
    )
