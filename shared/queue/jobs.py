"""Every job that travels, declared once: the contract between scheduler and worker.

Ids and small facts only; never a number, never a text. An unknown field is refused, so that an old
worker does not half-do what it does not understand.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from shared.queue.topology import Queue


class Job(BaseModel):
    """A frozen value on a queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: where it travels: a fact about the kind, not a field on the wire
    queue: ClassVar[Queue]

    @property
    def brief(self) -> str:
        """What Flower shows of it: short, for making it costs at every publish."""
        return ""


class SendMessages(Job):
    """A release: these messages are due now; whoever claims one sends it.

    Each entry is (message id, slot in Unix seconds of Redis's clock, the `due_at` its hint wrote in
    microseconds since the epoch). A hint is a hint: lost, it costs seconds; twice, it costs
    nothing.
    """

    queue = Queue.SEND

    release: tuple[tuple[int, float, int], ...]

    @property
    def brief(self) -> str:
        return _messages([entry[0] for entry in self.release])


class ComposeOpeners(Job):
    """These recipients have no words yet."""

    queue = Queue.COMPOSE

    message_ids: tuple[int, ...]

    @property
    def brief(self) -> str:
        return _messages(self.message_ids)


class ApplyReceipts(Job):
    """Callbacks are waiting in the inbox. Says nothing else: the inbox is the truth."""

    queue = Queue.RECEIPTS


class ImportUpload(Job):
    """A campaign's file is stored and wants to be read."""

    queue = Queue.SCHEDULER

    campaign_id: int

    @property
    def brief(self) -> str:
        return f"campaign {self.campaign_id}"


def _messages(ids: Sequence[int]) -> str:
    first = f" from {ids[0]}" if ids else ""
    return f"{len(ids)} messages{first}"
