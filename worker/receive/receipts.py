"""Apply stored callbacks: drain the inbox in batches, until it is empty."""

from datetime import timedelta

from shared.ledger import callbacks
from shared.queue.jobs import ApplyReceipts
from shared.settings import settings


def apply(_job: ApplyReceipts) -> None:
    """Drain the inbox. Safe to run twice at once: each callback is taken by one of them."""
    callbacks.drain(timedelta(seconds=settings().poll_after))
