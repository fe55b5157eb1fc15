"""The life of one campaign, as a table."""

from enum import IntEnum, StrEnum
from typing import Final


class CampaignStatus(StrEnum):
    """A text, an audience, agents and a time window."""

    #: being imported
    DRAFT = "draft"
    #: imported, waits to be launched
    READY = "ready"
    #: launches itself at `scheduled_at`
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    #: no message in draft, planned, ready or sending; receipts still update the counts
    FINISHED = "finished"
    CANCELLED = "cancelled"


_C = CampaignStatus

NEXT: Final[dict[CampaignStatus, frozenset[CampaignStatus]]] = {
    _C.DRAFT: frozenset({_C.READY, _C.CANCELLED}),
    _C.READY: frozenset({_C.SCHEDULED, _C.RUNNING, _C.CANCELLED}),
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.CANCELLED}),
    _C.RUNNING: frozenset({_C.PAUSED, _C.FINISHED, _C.CANCELLED}),
    _C.PAUSED: frozenset({_C.RUNNING, _C.FINISHED, _C.CANCELLED}),
    # a retry round, a resend, or evidence that leaves parts to send starts it again
    _C.FINISHED: frozenset({_C.RUNNING}),
    _C.CANCELLED: frozenset(),
}


class Priority(IntEnum):
    """Lower goes first on one agent."""

    REPLY = 0
    SINGLE = 1
    REMINDER = 2
    BULK = 3


def may_become(old: str, new: str) -> bool:
    """Whether the table lets a campaign go from `old` to `new`."""
    return CampaignStatus(new) in NEXT[CampaignStatus(old)]
