"""One sending process: an event loop in a thread that claims, waits for the slot, writes, records.

Four rules keep the pace; without each of them the pace failed (deploy/docs/decisions/0004):
* claim shortly before the slot, so that a killed worker leaves few calls in doubt;
* keep the message until its slot; one pump on a grid of 3 ms, not one timer a message;
* take a connection, check the clock, write, with no await between. Too late: another slot;
* when a write was late all the same, move the agent's next slot by the excess.
"""

import asyncio
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from shared import metrics
from shared.db.session import retried, transaction
from shared.errors import VolleyError
from shared.ledger import due as lanes
from shared.ledger import routing
from shared.ledger.claim import Claimed, claim
from shared.logging import get_logger
from shared.outage import Outage
from shared.providers.accounts import platform_account
from shared.providers.adapters import adapter_for, close_adapters
from shared.settings import settings
from shared.throttle import Throttle
from shared.throttle.slot_counts import Tally
from worker.send import outcomes
from worker.send.calls import Calls
from worker.send.circuit_breaker import CircuitBreaker
from worker.send.pace import LATE, Pace, want_of
from worker.send.recorder import Recorder
from worker.send.routes import RouteCache
from worker.send.slots import Due, Loaded, Slots

log = get_logger(__name__)

#: Seconds that the pump sleeps: while a message is due, and while none is. One timer for each
#: message costs three times the CPU.
GRID = (0.003, 0.010)
#: Seconds before its slot at which a message is claimed, at the least and at the most.
CLAIM_LEAD = (0.050, 0.150)
#: Seconds between two claims at the least: one claim costs Postgres as much as thirty messages.
CLAIM_EVERY = 0.040
#: Seconds between two requests for new slots: late messages share one request.
AGAIN_EVERY = 0.010
#: A message without a connection or without a good clock waits between these two, in seconds.
_UNREADY_AFTER = (0.5, 1.5)
#: Messages in one claim at the most.
CLAIM_MOST = 500
#: Postgres makes a new plan in each of the first five executions of a statement.
_PLANNED_AFTER = 6
#: Connections opened to each account before the first slot.
WARM = 4


class Engine:
    """Sends releases. Any thread may call `accept`; the engine's own threads do the work."""

    def __init__(self, throttle: Throttle, tally: Tally, breaker: CircuitBreaker) -> None:
        self.boot = f"{socket.gethostname()}:{os.getpid()}"
        self._routes = RouteCache()
        self._slots = Slots()
        self._pace = Pace(throttle, tally)
        self._recorder = Recorder(boot=self.boot, on_continued=self._continued, breaker=breaker)
        self._calls = Calls(routes=self._routes, pace=self._pace, recorder=self._recorder)
        self._claimer = ThreadPoolExecutor(1, thread_name_prefix="claimer")
        self._claim_times = [CLAIM_LEAD[0]] * 100
        self._claiming = False
        self._postgres = Outage(log, away="claim.failed", back="claim.works_again")
        self._claim_at = self._again_at = 0.0
        self._late: list[Loaded] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the threads. Returns at once."""
        self._recorder.start()
        self._thread.start()

    def accept(self, release: Sequence[tuple[int, float, int]]) -> None:
        """Take a release; returns at once. A killed process loses it, which costs seconds."""
        dues = [Due(slot=slot, message_id=message_id, due=due) for message_id, slot, due in release]
        self._loop.call_soon_threadsafe(self._hinted, dues)

    def stop(self, timeout: float) -> None:
        """Give back unclaimed and unwritten messages, let calls in flight end, record them."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(timeout)
        if not self._recorder.stop(timeout):
            log.warning("engine.stopped_unrecorded")

    def close(self) -> None:
        """Free what a stopped engine held, in a process that goes on: it takes no more releases."""
        self._loop.close()

    @property
    def ready(self) -> bool:
        """Whether it knows Redis's clock well enough to keep slots."""
        return self._pace.clock.good

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:
            # A dead engine would still take releases: end the process, so that it is restarted.
            log.exception("engine.died", error=type(error).__name__)
            os._exit(1)

    async def _live(self) -> None:
        clock = asyncio.create_task(self._pace.keep_clock())
        await self._warm_up()
        while not self._stopping:
            if not (self._slots or self._late or self._tasks or self._pace.has_unreported):
                self._wake.clear()
                await self._wake.wait()
            try:
                self._pump()
            except Exception as error:  # one bug must not end the loop
                metrics.loop_failures.labels("engine").inc()
                log.exception("engine.pump_failed", error=type(error).__name__)
            ahead = self._slots.next_slot - self._pace.clock.now()
            await asyncio.sleep(min(max(ahead, GRID[0]), GRID[1]))
        clock.cancel()
        await self._wind_down()

    def _hinted(self, dues: list[Due]) -> None:
        for due in dues:
            self._slots.hinted(due)
        self._wake.set()

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            metrics.loop_failures.labels("engine").inc()
            log.error("engine.task_failed", error=type(error).__name__, exc_info=error)

    def _pump(self) -> None:
        now = self._pace.clock.now()
        if not self._claiming and now >= self._claim_at and self._slots.unclaimed:
            hints = self._slots.to_claim(now + CLAIM_EVERY + self._claim_lead(), CLAIM_MOST)
            if hints:
                self._claiming = True
                self._claim_at = now + CLAIM_EVERY
                self._spawn(self._claim(hints))
        for loaded in self._slots.to_send(now):
            if loaded.slot is not None and now - loaded.slot > LATE:
                self._missed(loaded)
            else:
                self._spawn(self._send(loaded))
        if self._late and now >= self._again_at:
            self._again_at = now + AGAIN_EVERY
            late, self._late = self._late, []
            self._spawn(self._reserve_again(late))
        if self._pace.must_report:
            self._spawn(self._pace.report())

    def _claim_lead(self) -> float:
        slowest = sorted(self._claim_times)[-2]
        return min(max(slowest * 1.2, CLAIM_LEAD[0]), CLAIM_LEAD[1])

    async def _claim(self, hints: list[Due]) -> None:
        claimed_at = time.monotonic()
        slots = {due.message_id: due.slot for due in hints}
        try:
            claimed, refused = await self._in_claimer(partial(self._claim_in_thread, hints))
        except (DBAPIError, VolleyError) as error:
            # The rows are still ready, or the claim was committed unseen: the sweep finds both.
            self._postgres.failed(error, messages=len(hints))
            return
        finally:
            self._claiming = False
        self._postgres.answered()
        self._claim_times[random.randrange(len(self._claim_times))] = time.monotonic() - claimed_at
        for one in claimed:
            self._slots.load(Loaded(one, claimed_at=claimed_at, slot=slots[one.message_id]))
        self._calls.expect(claimed)
        metrics.claims.labels("sending").inc(len(claimed))
        for _, verdict in refused:
            metrics.claims.labels(verdict).inc()

    def _claim_in_thread(self, hints: list[Due]) -> tuple[list[Claimed], list[tuple[int, str]]]:
        tokens = {due.message_id: uuid.uuid4() for due in hints}

        def work(connection: Connection) -> tuple[list[Claimed], list[tuple[int, str]]]:
            claimed, refused = claim(
                connection,
                [(due.message_id, due.due) for due in hints],
                tokens=tokens,
                by=self.boot,
                reconcile_after=timedelta(seconds=settings().reconcile_after),
                platform=platform_account(),
            )
            self._routes.refresh(connection, claimed)
            return claimed, refused

        return retried(work)

    def _continued(self, claimed: list[Claimed], claimed_at: float) -> None:
        """Load the next parts that the recorder claimed: they need no slot of the agent."""
        loaded = [Loaded(one, claimed_at=claimed_at, slot=None) for one in claimed]

        def put() -> None:
            for one in loaded:
                self._slots.load(one)
            self._wake.set()

        self._loop.call_soon_threadsafe(put)

    async def _send(self, loaded: Loaded) -> None:
        # An exception here is a bug: the row stays `sending`, and evidence decides.
        if await self._calls.make(loaded):
            return
        if loaded.slot is None:
            self._slots.load(loaded)
        else:
            self._missed(loaded)

    def _missed(self, loaded: Loaded) -> None:
        metrics.late.inc()
        if not loaded.unready:  # fewer slots would not help
            self._pace.missed()
        if loaded.claimed.paced:  # only the dispatcher asks the agent and the sender together
            self._give_back(loaded)
        else:
            self._late.append(loaded)

    def _give_back(self, loaded: Loaded) -> None:
        after = random.uniform(*_UNREADY_AFTER) if loaded.unready else 0.0
        late = outcomes.not_sent(loaded.claimed, "too late for its slot", after=after)
        self._recorder.put(late, loaded.claimed.campaign_id)

    async def _reserve_again(self, late: list[Loaded]) -> None:
        wants = []
        for loaded in late:
            agent = self._routes.agent(loaded.claimed)
            wants.append((loaded, want_of(agent.key, agent.account, agent.rate)))
        too_late = {id(loaded) for loaded in await self._pace.reserve_again(wants)}
        for loaded in late:
            if id(loaded) in too_late:
                self._give_back(loaded)
            else:
                self._slots.load(loaded)

    async def _warm_up(self) -> None:
        """Read all agents, make Postgres plan the claim, and open connections before any slot."""

        def read() -> None:
            with transaction() as connection:
                keys = routing.active_agents(connection)
                self._routes.refresh_agents(connection, keys)
            for _ in range(_PLANNED_AFTER):
                self._claim_in_thread([Due(slot=0.0, message_id=0, due=0)])

        try:
            await self._in_claimer(read)
            for provider, credentials in self._routes.accounts():
                adapter_for(provider, credentials).warm(WARM)
        except (DBAPIError, VolleyError) as error:
            log.warning("engine.cold_start", error=type(error).__name__)

    async def _wind_down(self) -> None:
        self._recorder.claim_no_more()
        dues, loaded = self._slots.take_all()
        late, self._late = self._late, []
        self._give_back_all([*loaded, *late])
        if dues:
            await self._in_claimer(partial(_unhint, [(due.message_id, due.due) for due in dues]))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=sum(settings().http_timeout))
        self._give_back_all([*self._late, *self._slots.take_all()[1]])
        await self._pace.report()
        await close_adapters()

    def _give_back_all(self, unsent: list[Loaded]) -> None:
        for one in unsent:
            stopped = outcomes.not_sent(one.claimed, "the worker stopped")
            self._recorder.put(stopped, one.claimed.campaign_id)

    async def _in_claimer(self, work: Any) -> Any:
        return await self._loop.run_in_executor(self._claimer, work)


def _unhint(hints: list[tuple[int, int]]) -> None:
    try:
        retried(lambda connection: lanes.unhint(connection, hints))
    except DBAPIError as error:
        log.warning("engine.hints_not_returned", error=type(error).__name__)
