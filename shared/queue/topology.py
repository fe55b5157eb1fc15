"""The queues and their consumers. A test checks that every queue has a consumer."""

from enum import StrEnum
from typing import Final


class Queue(StrEnum):
    """Where jobs wait."""

    SEND = "send"
    COMPOSE = "compose"
    RECEIPTS = "receipts"
    SCHEDULER = "scheduler"


#: The sending process consumes only releases: other tasks would delay its slots.
SENDING: Final = (Queue.SEND,)
#: The worker's tasks without slots.
TENDING: Final = (Queue.RECEIPTS, Queue.COMPOSE)
#: Imports and repair loops, in the scheduler's own child process.
REPAIRING: Final = (Queue.SCHEDULER,)
