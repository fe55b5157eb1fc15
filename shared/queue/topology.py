"""The queues, and who consumes them. A test checks that every queue has a consumer."""

from enum import StrEnum
from typing import Final


class Queue(StrEnum):
    """Where jobs wait."""

    SEND = "send"
    COMPOSE = "compose"
    RECEIPTS = "receipts"
    SCHEDULER = "scheduler"


#: The sending process consumes nothing but releases: its interpreter keeps the slots.
SENDING: Final = (Queue.SEND,)
#: Everything a worker does that has no slot to keep.
TENDING: Final = (Queue.RECEIPTS, Queue.COMPOSE)
#: Imports and repair loops, in the scheduler's own child process.
REPAIRING: Final = (Queue.SCHEDULER,)
