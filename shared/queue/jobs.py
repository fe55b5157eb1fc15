"""Every job that travels, declared once: the contract between scheduler and worker.

Ids and small facts only; never a number, never a text. A job with an unknown field is refused, so
that an old worker never does half of a new job.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from shared.queue.topology import Queue


class Job(BaseModel):
    """A frozen value on a queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: the queue of this kind of job; not a field on the wire
    queue: ClassVar[Queue]

    @property
    def brief(self) -> str:
        """The text that Flower shows for it. It is short, because every publish makes it."""
        return ""


class SendMessages(Job):
    """A release: these messages are due now; the worker that claims one sends it.

    Each entry is (message id, slot in Unix seconds of Redis's clock, the `due_at` that its hint
    wrote, in microseconds since the epoch). A lost release costs seconds; a repeated one costs
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
    """Callbacks wait in the inbox. It carries no ids: the worker reads the inbox."""

    queue = Queue.RECEIPTS


class ImportUpload(Job):
    """A campaign's file is stored; the scheduler's child imports it."""

    queue = Queue.SCHEDULER

    campaign_id: int

    @property
    def brief(self) -> str:
        return f"campaign {self.campaign_id}"


def _messages(ids: Sequence[int]) -> str:
    first = f" from {ids[0]}" if ids else ""
    return f"{len(ids)} messages{first}"
