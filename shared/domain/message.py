"""The life of one message, as a table. An event that it lacks is stored and changes nothing."""

from enum import StrEnum
from typing import Final


class MessageStatus(StrEnum):
    """One text to one recipient, in order of life."""

    #: waits for a person's approval
    DRAFT = "draft"
    #: has a recipient and no words yet
    PLANNED = "planned"
    #: words frozen, waits for its slot
    READY = "ready"
    #: claimed by a worker; a call may be under way
    SENDING = "sending"
    #: the provider gave it a SID
    ACCEPTED = "accepted"
    #: handed to the carrier
    SENT = "sent"
    #: on the phone
    DELIVERED = "delivered"
    #: the carrier gave up
    UNDELIVERED = "undelivered"
    #: the provider refused it, or it could not be sent
    FAILED = "failed"
    #: the number must not be texted
    SUPPRESSED = "suppressed"
    #: an operator cancelled it in time
    CANCELLED = "cancelled"
    #: its time had passed
    EXPIRED = "expired"
    #: it may have gone; there is no proof either way
    UNKNOWN = "unknown"


_S = MessageStatus

#: The statuses that a provider's evidence can set. Evidence beats every status set without it.
EVIDENCE: Final = frozenset({_S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED})

NEXT: Final[dict[MessageStatus, frozenset[MessageStatus]]] = {
    _S.DRAFT: frozenset({_S.PLANNED, _S.READY, _S.CANCELLED}),
    _S.PLANNED: frozenset({_S.READY, _S.SUPPRESSED, _S.CANCELLED, _S.EXPIRED}),
    _S.READY: frozenset({_S.SENDING, _S.SUPPRESSED, _S.CANCELLED, _S.EXPIRED}) | EVIDENCE,
    _S.SENDING: frozenset({_S.READY, _S.SUPPRESSED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN})
    | EVIDENCE,
    _S.ACCEPTED: frozenset({_S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.CANCELLED}),
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.FAILED}),
    _S.DELIVERED: frozenset(),
    _S.UNDELIVERED: frozenset(),
    # An operator may have set an unknown message to failed before the evidence came.
    _S.FAILED: EVIDENCE - {_S.FAILED},
    _S.SUPPRESSED: EVIDENCE,
    _S.CANCELLED: EVIDENCE,
    _S.EXPIRED: EVIDENCE,
    # Proved not gone: it is sent again, or ends in the status that stopped it meanwhile.
    _S.UNKNOWN: frozenset({_S.READY, _S.SUPPRESSED, _S.CANCELLED, _S.EXPIRED}) | EVIDENCE,
}

#: A campaign with a message in one of these is not finished.
UNSENT: Final = (_S.DRAFT, _S.PLANNED, _S.READY, _S.SENDING)

#: No call was made for these: a locked message in one of them has certainly not gone.
UNTOUCHED: Final = (_S.DRAFT, _S.PLANNED, _S.READY)

#: A message of several parts ends as the worst of its parts.
WORST_FIRST: Final = (
    _S.FAILED,
    _S.UNDELIVERED,
    _S.UNKNOWN,
    _S.SUPPRESSED,
    _S.CANCELLED,
    _S.EXPIRED,
    _S.SENT,
    _S.DELIVERED,
)


class AttemptStatus(StrEnum):
    """The known outcome of one call to a provider. Evidence only raises its rank."""

    #: claimed; the call's outcome is not known yet
    SENDING = "sending"
    #: provably did not go: the message went back to ready, or was stopped
    RETURNED = "returned"
    #: may have gone; parked
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: A receipt only raises an attempt's rank; the first of two contradictory ends stays.
RANK: Final[dict[str, int]] = {
    AttemptStatus.SENDING: 0,
    AttemptStatus.RETURNED: 0,
    AttemptStatus.UNKNOWN: 0,
    AttemptStatus.ACCEPTED: 1,
    AttemptStatus.SENT: 2,
    AttemptStatus.DELIVERED: 3,
    AttemptStatus.UNDELIVERED: 3,
    AttemptStatus.FAILED: 3,
    AttemptStatus.CANCELLED: 3,
}


def may_become(old: str, new: str) -> bool:
    """Whether the table lets a message go from `old` to `new`."""
    return MessageStatus(new) in NEXT[MessageStatus(old)]
