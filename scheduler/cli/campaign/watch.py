"""Watch campaigns until they have ended, and until the last receipts are in."""

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from scheduler.campaigns import status as standing
from scheduler.cli import output
from scheduler.cli.campaign.live_view import EVERY, follow
from shared.domain.message import MessageStatus
from shared.views.campaigns import Progress

_ENDED: Final = frozenset({"finished", "cancelled"})
#: Seconds that a database may be away while somebody watches.
PATIENCE: Final = 120.0
#: A message in one of these still waits for its receipt.
_WAITING: Final = (MessageStatus.ACCEPTED, MessageStatus.SENT)


def watch(
    campaign_ids: Sequence[int], *, quiet: bool = False, settle: float = 10.0
) -> list[Progress]:
    """Follow these campaigns live until each has ended; returns where they stand then.

    After that it waits for receipts, at most until nothing has changed for `settle` seconds: some
    carriers never confirm. `quiet` shows nothing. Ctrl-C stops the watching, never the campaigns.
    """
    quietness = _Quietness(settle)

    def read() -> list[Progress]:
        found = _read_or_wait(campaign_ids)
        quietness.notice([campaign.counts for campaign in found])
        return found

    if quiet:
        while not (all(c.status in _ENDED for c in read()) and quietness.reached()):
            time.sleep(EVERY)
    else:
        follow(read, done=quietness.reached)
    return _read_or_wait(campaign_ids)


def _read_or_wait(campaign_ids: Sequence[int]) -> list[Progress]:
    """The campaigns' progress. Waits PATIENCE seconds for the database, then raises its error."""
    deadline = time.monotonic() + PATIENCE
    told = False
    while True:
        try:
            return standing.progress(campaign_ids)
        except (OperationalError, InterfaceError, PoolTimeout):
            if time.monotonic() > deadline:
                raise
        if not told:
            output.note("The database does not answer; the campaign is unharmed. Waiting for it …")
            told = True
        time.sleep(EVERY)


class _Quietness:
    """Knows when no more receipts are to be expected."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._counts: list[dict[str, int]] = []
        self._since = time.monotonic()

    def notice(self, counts: list[dict[str, int]]) -> None:
        """Look at the counts as they are now."""
        if counts != self._counts:
            self._counts = counts
            self._since = time.monotonic()

    def reached(self) -> bool:
        """Nothing waits for a receipt, or none has come for long enough."""
        waiting = any(c.get(status) for c in self._counts for status in _WAITING)
        return not waiting or time.monotonic() - self._since >= self._seconds
