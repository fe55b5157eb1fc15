"""One sending process: an event loop in a thread, that claims, waits for the slot, writes, records.

The rules that keep the pace (each was seen failing without; deploy/docs/decisions/0004):
* claim shortly before the slot, so that a killed worker leaves few calls in doubt;
* hold the message until its slot; a pump on a 2 ms grid, not a timer each;
* connection in hand, look at the clock, write: no await between. Too late: not written, another slot;
* what was written late all the same gives its excess back to the agent's next slot.
"""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from redis import RedisError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from shared import clock, metrics
from shared.db.queries import directory, lanes
from shared.db.queries.claim import Claimed, claim
from shared.db.session import retried, transaction
from shared.errors import Later, Scope, SendError, VolleyError
from shared.logging import get_logger
from shared.providers.base import OutboundText, Sends
from shared.providers.http import NoConnection
from shared.providers.registry import adapter_for, close_adapters, reports_of
from shared.settings import settings
from shared.throttle import Throttle, Want
from shared.throttle.clock import RedisClock, measure
from worker import outcomes
from worker.directory import Directory, Route
from worker.recorder import Recorder
from worker.slots import Due, Loaded, Slots

log = get_logger(__name__)

#: The pump's grid. One timer for each message costs three times the CPU.
GRID = 0.002
#: A start later than this after its slot is not written: late firsts and early sixths make a sixth
#: start in a second.
LATE = 0.012
#: Nothing is written that was claimed longer ago: so a pause or a STOP holds from half a second on.
HOLD = 0.5
#: Claims are asked for this long before the slot, or as long as the slowest of them take.
CLAIM_LEAD = (0.030, 0.150)
#: Most messages in one claim.
CLAIM_MOST = 500
#: Connections opened to each account before the first slot.
WARM = 4
#: Seconds a provider may try (Twilio: below 5 is not advised, 36,000 is the most).
LEAST_VALIDITY, MOST_VALIDITY = 5, 36_000
#: How many slots a message may miss because no connection was open yet.
CONNECT_TRIES = 3


class Missed(VolleyError):
    """The slot had passed before the first byte: nothing was written, another slot is needed."""


class Fenced(VolleyError):
    """The claim is too old to write under: nothing was written, the message is given back."""


class Engine:
    """`accept` releases from any thread; everything else happens on the engine's own."""

    def __init__(self, throttle: Throttle) -> None:
        self.boot = f"{socket.gethostname()}:{os.getpid()}"
        self._throttle = throttle
        self._clock = RedisClock(offset=0.0, doubt=float("inf"))
        self._directory = Directory()
        self._slots = Slots()
        self._recorder = Recorder(boot=self.boot, on_continued=self._continued)
        self._claimer = ThreadPoolExecutor(1, thread_name_prefix="claimer")
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="throttle")
        self._claim_times = [CLAIM_LEAD[0]] * 100
        self._claiming = False
        self._late: list[Loaded] = []
        self._excess: list[tuple[str, float]] = []
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
        """Take a release from the queue; returns at once. Lost with the process, as a hint may be."""
        dues = [Due(slot=slot, message_id=message_id, due=due) for message_id, slot, due in release]
        self._loop.call_soon_threadsafe(self._hinted, dues)

    def stop(self, timeout: float) -> None:
        """Warm: give back what is not claimed or not written, let calls in flight end, record."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(timeout)
        if not self._recorder.stop(timeout):
            log.warning("engine.stopped_unrecorded")

    # -- the loop --------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        keeper = self._spawn(self._keep_clock())
        await self._warm_up()
        while not self._stopping:
            if not self._slots and not self._late and not self._tasks - {keeper}:
                self._wake.clear()
                await self._wake.wait()
            try:
                self._pump()
            except Exception as error:  # a loop that keeps the promise does not die of one bug
                metrics.loop_failures.labels("engine").inc()
                log.exception("engine.pump_failed", error=type(error).__name__)
            await asyncio.sleep(GRID)
        keeper.cancel()
        await self._wind_down(keeper)

    def _hinted(self, dues: list[Due]) -> None:
        for due in dues:
            self._slots.hinted(due)
        self._wake.set()

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _pump(self) -> None:
        now = self._clock.now()
        if not self._claiming and self._slots.unclaimed:
            hints = self._slots.to_claim(now + self._claim_lead(), CLAIM_MOST)
            if hints:
                self._claiming = True
                self._spawn(self._claim(hints))
        for loaded in self._slots.to_send(now):
            self._spawn(self._send(loaded))
        if self._late:
            late, self._late = self._late, []
            self._spawn(self._reserve_again(late))
        if self._excess:
            excess, self._excess = self._excess, []
            self._spawn(self._give_excess_back(excess))

    def _claim_lead(self) -> float:
        slowest = sorted(self._claim_times)[-2]
        return min(max(slowest * 1.2, CLAIM_LEAD[0]), CLAIM_LEAD[1])

    # -- claim -----------------------------------------------------------------------------------

    async def _claim(self, hints: list[Due]) -> None:
        claimed_at = time.monotonic()
        slots = {due.message_id: due.slot for due in hints}
        try:
            claimed, refused = await self._loop.run_in_executor(
                self._claimer, partial(self._claim_in_thread, hints)
            )
        except (DBAPIError, VolleyError) as error:
            # The rows are still ready, or the claim committed unseen: the sweep finds both.
            log.warning("claim.failed", error=type(error).__name__, messages=len(hints))
            return
        finally:
            self._claiming = False
        self._claim_times[random.randrange(len(self._claim_times))] = time.monotonic() - claimed_at
        for one in claimed:
            self._slots.load(Loaded(one, claimed_at=claimed_at, slot=slots[one.message_id]))
        metrics.claims.labels("sending").inc(len(claimed))
        metrics.claims.labels("refused").inc(len(refused))

    def _claim_in_thread(self, hints: list[Due]) -> tuple[list[Claimed], list[tuple[int, str]]]:
        def work(connection: Connection) -> tuple[list[Claimed], list[tuple[int, str]]]:
            claimed, refused = claim(
                connection,
                [(due.message_id, due.due) for due in hints],
                by=self.boot,
                reconcile_after=timedelta(seconds=settings().reconcile_after),
            )
            self._directory.refresh(connection, claimed)
            return claimed, refused

        return retried(work)

    def _continued(self, claimed: list[Claimed]) -> None:
        """The recorder claimed the next parts of messages: they need no slot of the agent."""
        now = time.monotonic()
        loaded = [Loaded(one, claimed_at=now, slot=None) for one in claimed]

        def put() -> None:
            for one in loaded:
                self._slots.load(one)
            self._wake.set()

        self._loop.call_soon_threadsafe(put)

    # -- send ------------------------------------------------------------------------------------

    async def _send(self, loaded: Loaded) -> None:
        claimed = loaded.claimed
        try:
            route = self._directory.route(claimed)
            adapter: Sends = adapter_for(route.agent.provider, route.credentials)
            answer = await adapter.send(
                _words(claimed, route),
                gate=partial(self._gate, loaded),
                wrote=partial(self._wrote, loaded, route),
            )
        except Missed:
            metrics.late.inc()
            self._late.append(loaded)
        except NoConnection as error:
            # One is being opened: part of the pace, not a failure, unless it goes on.
            if loaded.slot is None:
                self._slots.load(loaded)
            elif loaded.misses < CONNECT_TRIES:
                self._late.append(loaded)
            else:
                self._failed(loaded, route, error)
        except Fenced:
            metrics.sends.labels("fence").inc()
            self._recorder.put(outcomes.not_sent(claimed, "fence"))
        except SendError as error:
            self._failed(loaded, route, error)
        except VolleyError as error:
            log.error("send.refused", message_id=claimed.message_id, reason=str(error))
            self._recorder.put(outcomes.not_sent(claimed, str(error), after=60))
        else:
            metrics.sends.labels("accepted").inc()
            self._recorder.put(outcomes.accepted(claimed, answer))

    def _gate(self, loaded: Loaded) -> None:
        """The last look at the clocks, with a connection in hand."""
        if time.monotonic() - loaded.claimed_at > min(HOLD, settings().fence):
            raise Fenced("the claim is too old")
        if loaded.slot is None:
            return
        if not self._clock.good:
            raise Missed("nobody knows what time it is on Redis's clock")
        if self._clock.now() - loaded.slot > LATE:
            raise Missed("the slot has passed")

    def _wrote(self, loaded: Loaded, route: Route) -> None:
        """It went out; if the machine stood still between look and write, the next slot pays."""
        if loaded.slot is None:
            return
        excess = self._clock.now() - loaded.slot - LATE
        if excess > 0:
            self._excess.append((str(route.agent.key), excess))

    def _failed(self, loaded: Loaded, route: Route, error: SendError) -> None:
        claimed = loaded.claimed
        metrics.sends.labels(type(error).__name__.lower()).inc()
        log.info(
            "message.not_accepted",
            message_id=claimed.message_id,
            campaign_id=claimed.campaign_id,
            agent=route.agent.id,
            outcome=type(error).__name__,
            code=error.code,
        )
        self._recorder.put(outcomes.failed(claimed, error, provider=route.agent.provider))
        if isinstance(error, Later):
            self._hold(claimed, route, error)

    def _hold(self, claimed: Claimed, route: Route, error: Later) -> None:
        in_redis = error.seconds is not None and error.scope in {Scope.AGENT, Scope.ACCOUNT}
        if in_redis:
            name = route.agent.account if error.scope is Scope.ACCOUNT else str(route.agent.key)
            until = self._clock.now() + (error.seconds or 0)
            self._spawn(self._hold_in_redis(f"{error.scope}:{name}", until))
        elif error.scope not in {Scope.MESSAGE, Scope.NUMBER}:
            provider = route.agent.provider
            self._recorder.hold(outcomes.held(claimed, provider=provider, error=error))

    # -- the throttle ----------------------------------------------------------------------------

    async def _reserve_again(self, late: list[Loaded]) -> None:
        """Another slot for all late messages of the process, in one call."""
        wants = [self._want(loaded) for loaded in late]
        try:
            granted = await self._ask(
                partial(self._throttle.reserve_many, wants, lead=0.02, ahead=HOLD, spread=False)
            )
        except RedisError:
            granted = []
        now = time.monotonic()
        for loaded, grant in zip(late, granted or [None] * len(late), strict=True):
            loaded.misses += 1
            if grant is not None and grant.count:
                loaded.slot = grant.first
                if loaded.slot - self._clock.now() < HOLD - (now - loaded.claimed_at):
                    self._slots.load(loaded)
                    continue
            self._recorder.put(outcomes.not_sent(loaded.claimed, "too late for its slot"))

    def _want(self, loaded: Loaded) -> Want:
        agent = self._directory.route(loaded.claimed).agent
        extra = random.random() / agent.rate / 2
        return Want(str(agent.key), agent.account, agent.rate, 1, extra=extra)

    async def _give_excess_back(self, excess: list[tuple[str, float]]) -> None:
        try:
            await self._ask(partial(self._throttle.delay, excess))
        except RedisError as error:
            log.warning("throttle.feedback_lost", error=type(error).__name__)

    async def _hold_in_redis(self, scope: str, until: float) -> None:
        try:
            await self._ask(partial(self._throttle.hold, scope, until))
        except RedisError as error:
            log.warning("throttle.hold_lost", error=type(error).__name__)

    async def _ask(self, question: Any) -> Any:
        return await self._loop.run_in_executor(self._asker, question)

    async def _keep_clock(self) -> None:
        """Measure Redis's clock at the start and each minute; sooner while it is in doubt."""
        while True:
            try:
                self._clock = await self._ask(partial(measure, self._throttle))
            except RedisError as error:
                log.warning("clock.not_measured", error=type(error).__name__)
            await asyncio.sleep(60 if self._clock.good else 1)

    async def _warm_up(self) -> None:
        """Read all agents and open connections to their providers before the first slot."""

        def read() -> None:
            with transaction() as connection:
                self._directory.refresh_agents(connection, directory.active_agents(connection))

        try:
            await self._loop.run_in_executor(self._claimer, read)
            for route in self._directory.accounts():
                adapter_for(*route).warm(WARM)
        except (DBAPIError, VolleyError) as error:
            log.warning("engine.cold_start", error=type(error).__name__)

    # -- the end ---------------------------------------------------------------------------------

    async def _wind_down(self, keeper: asyncio.Task[None]) -> None:
        dues, loaded = self._slots.take_all()
        for one in [*loaded, *self._late]:
            self._recorder.put(outcomes.not_sent(one.claimed, "the worker stopped"))
        hints = [(due.message_id, due.due) for due in dues]
        if hints:
            await self._loop.run_in_executor(self._claimer, partial(_rest, hints))
        in_flight = [task for task in self._tasks if task is not keeper]
        if in_flight:
            await asyncio.wait(in_flight, timeout=sum(settings().http_timeout))
        await close_adapters()


def _rest(hints: list[tuple[int, int]]) -> None:
    try:
        retried(lambda connection: lanes.unhint(connection, hints))
    except DBAPIError as error:
        log.warning("engine.hints_not_returned", error=type(error).__name__)


def _words(claimed: Claimed, route: Route) -> OutboundText:
    options = dict(route.campaign.options)
    if route.campaign.send_before is not None:
        # What waits in the provider's queue must not go out when its time has passed.
        left = int((route.campaign.send_before - clock.now()).total_seconds())
        options["validity_period"] = max(
            LEAST_VALIDITY, min(left, options.get("validity_period") or left, MOST_VALIDITY)
        )
    service = options.pop("messaging_service_sid", None) or route.agent.messaging_service_sid
    if claimed.part > 0:
        options.pop("media_urls", None)
    return OutboundText(
        to=claimed.phone,
        body=claimed.text,
        sender=claimed.sender,
        messaging_service_sid=service,
        status_callback=reports_of(route.agent.provider).status_callback_url(
            settings().callback_base,
            message_id=claimed.message_id,
            part=claimed.part,
            token=claimed.token,
        ),
        options=options,
    )
