"""Callbacks made durable in groups: one commit for all that came within moments of each other.

In Postgres; while that is away, in the fsynced spool. The next group is stored when the last one
is: on a slow disk the groups grow, and no queue of commits builds up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from scheduler.http.callbacks.spool import Spool
from shared.db.session import transaction
from shared.ledger import callbacks as callback_ledger
from shared.ledger.callbacks import CallbackRow
from shared.logging import get_logger
from shared.outage import Outage
from shared.queue.jobs import ApplyReceipts
from shared.queue.publish import publish
from shared.settings import settings

log = get_logger(__name__)

#: A callback waits at most so long for others to share its commit (seconds) …
GROUP: Final = 0.005
#: … and not at all when so many wait.
FULL: Final = 64
#: A worker is told at most this often that callbacks are waiting.
HINT_EVERY: Final = 0.2
#: A database that has not stored a group in so many seconds counts as away.
STORE_WITHIN: Final = 3.0
#: The spool is looked at this often.
SPOOL_EVERY: Final = 1.0


class Keeper:
    """Keeps callbacks. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[CallbackRow, asyncio.Future[bool]]] = []
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._hint = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._writer = callback_ledger.Writer()
        self._storer = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._storing: asyncio.Future[None] | None = None
        self._spool = Spool(settings().data_dir / "spool")
        self._postgres = Outage(log, away="callbacks.spooled", back="callbacks.stored_again")
        self._home = Outage(log, away="callbacks.spool_waits", back="callbacks.spool_moves_again")
        self._workers = Outage(log, away="callbacks.not_hinted", back="callbacks.hinted_again")

    def start(self) -> None:
        """Start keeping. Called once."""
        self._spool.adopt()
        loops = (self._keep_all(), self._hint_all(), self._drain_spool())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    def keep(self, callback: CallbackRow) -> "asyncio.Future[bool]":
        """True as soon as it is durable; False when it could be kept nowhere."""
        loop = asyncio.get_running_loop()
        kept = loop.create_future()
        self._waiting.append((callback, kept))
        if len(self._waiting) == 1:
            self._timer = loop.call_later(GROUP, self._due.set)
        elif len(self._waiting) == FULL:
            self._due.set()
        return kept

    async def stop(self) -> None:
        """Keep what is waiting, then end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keep_group()
        self._storer.submit(self._writer.close)
        self._storer.shutdown()

    async def _keep_all(self) -> None:
        while True:
            await self._due.wait()
            await self._keep_group()

    async def _keep_group(self) -> None:
        """Keep what has arrived; a group that cannot be kept is answered so."""
        self._due.clear()
        if self._timer:
            self._timer.cancel()
        group, self._waiting = self._waiting, []
        if not group:
            return
        kept = await self._kept([one for one, _ in group])
        for _, answer in group:
            if not answer.done():
                answer.set_result(kept)
        if kept:
            self._hint.set()

    async def _kept(self, callbacks: list[CallbackRow]) -> bool:
        """In Postgres, else in the spool; False when neither could keep them."""
        loop = asyncio.get_running_loop()
        if self._storing is None or self._storing.done():
            self._storing = loop.run_in_executor(self._storer, self._writer.keep, callbacks)
            try:
                await asyncio.wait_for(asyncio.shield(self._storing), STORE_WITHIN)
            except Exception as error:  # whatever it is, these are genuine: keep them elsewhere
                self._postgres.failed(error)
            else:
                self._postgres.answered()
                return True
        # Postgres is away, or frozen with a group in hand: that one may be stored twice, no harm.
        try:
            await loop.run_in_executor(None, self._spool.keep, callbacks)
        except Exception as error:  # the group is refused with 503, and the next one is kept
            log.error("callbacks.not_kept", error=type(error).__name__, callbacks=len(callbacks))
            return False
        return True

    async def _drain_spool(self) -> None:
        """Bring spooled callbacks home when Postgres is back."""
        while True:
            await asyncio.sleep(SPOOL_EVERY)
            try:
                if self._spool.waiting():
                    await _in_thread(lambda: self._spool.drain(_store))
                    self._hint.set()
                self._home.answered()
            except Exception as error:  # it must not end: what is spooled was promised
                self._home.failed(error)

    async def _hint_all(self) -> None:
        """Tell a worker that callbacks are waiting. Lost, it costs a second: the sweep looks."""
        while True:
            await self._hint.wait()
            self._hint.clear()
            try:
                await _in_thread(lambda: publish([ApplyReceipts()]))
                self._workers.answered()
            except Exception as error:  # the next hint may get through
                self._workers.failed(error)
            await asyncio.sleep(HINT_EVERY)


async def _in_thread(work: Callable[[], object]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, work)


def _store(callbacks: list[CallbackRow]) -> None:
    with transaction() as connection:
        callback_ledger.keep(connection, callbacks)
