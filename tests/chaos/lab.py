"""The real parts of Volley in one process, driven step by step against a carrier in a thread.

For what has to happen in exact order: the dispatcher ticks when it is told to, releases are lost or
doubled on purpose, an engine freezes in mid-stride. Budgets are tenths of seconds.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from unittest import mock

from deploy.demo import proof
from deploy.simulators.twilio.server import Carrier
from scheduler.dispatch import dispatcher
from scheduler.dispatch.dispatcher import Dispatcher
from scheduler.repair.reconcile import reconcile
from shared.db.session import transaction
from shared.ledger import due
from shared.ledger.claim import Claimed, claim
from shared.queue.jobs import Job, SendMessages
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support import factories
from tests.support.environment import environment
from tests.support.eventually import eventually
from tests.support.factories import rows
from worker.send import deliver
from worker.send.calls import Calls
from worker.send.engine import Engine
from worker.send.slots import Loaded

BUDGETS: Final = {
    "http_timeout": "0.3,0.3",
    "fence": 0.1,
    "reconcile_after": 0.6,
    "reconcile_checks": "0.6,0.8,1.0",
    "poll_after": 0.3,
    "release_stale_after": 1,
}
#: An end, or as far as it comes where nothing calls back.
_OVER: Final = ("delivered", "unknown", "failed")


@dataclass
class Lab:
    """One campaign, its carrier, and as many engines as a scenario needs."""

    carrier: Carrier
    campaign: int = 0
    agents: list[int] = field(default_factory=list)
    _released: list[SendMessages] = field(default_factory=list)
    _engines: list[Engine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dispatcher = Dispatcher(Throttle(redis()), Tally(redis()))
        account = f"twilio:{self.carrier.account_sid}"
        self.agents = [factories.agent(f"agent-{n}", account=account, senders=1) for n in range(10)]
        self.campaign = factories.campaign(*self.agents)

    def add(self, count: int) -> list[int]:
        """Messages that are due now, dealt to the agents in turn; returns their ids."""
        return [
            factories.messages(self.campaign, self.agents[i % len(self.agents)], 1)[0]
            for i in range(count)
        ]

    def engine(self) -> Engine:
        """One more sending engine, ready to take releases."""
        made = deliver.start()
        self._engines.append(made)
        eventually(lambda: made._pace.clock.good, "the engine's clock", seconds=20)
        return made

    def dispatch(self, *engines: Engine) -> None:
        """Release all that is due: each release to each of these engines; to none, it is lost."""
        eventually(lambda: self._released_to(engines), "everything due to be released", seconds=20)

    def dispatch_calls(self, engine: Engine, count: int) -> None:
        """Dispatch to this engine until so many calls were made: what is late goes again."""
        eventually(
            lambda: self._released_to([engine]) and len(self.carrier.log()) >= count,
            f"{count} calls",
            seconds=20,
        )

    def run(self, engine: Engine, *, seconds: float = 15) -> bool:
        """Dispatch to this engine and reconcile until everybody has an end; False if never."""
        deadline = time.monotonic() + seconds
        while not self.over():
            if time.monotonic() > deadline:
                return False
            self._released_to([engine])
            reconcile()
            time.sleep(0.03)
        return True

    def over(self) -> bool:
        """Whether every message has come as far as it can."""
        return not rows("SELECT 1 FROM message WHERE NOT status = ANY (:over)", over=list(_OVER))

    def claim(self) -> Claimed | None:
        """Hint one message and claim it, as dispatcher and worker would; None if none is due."""
        wants = [(self.campaign, agent, 1) for agent in self.agents]
        with transaction() as connection:
            hints = due.hint(connection, wants, stale=timedelta(seconds=5))
        with transaction() as connection:
            pairs = [(hint.message_id, hint.due) for hint in hints]
            claimed, _ = claim(connection, pairs, by="lab", reconcile_after=timedelta(seconds=5))
        return claimed[0] if claimed else None

    def went_twice(self) -> list[tuple[int, int]]:
        """(message, part) pairs that the carrier accepted more than once."""
        return proof.twice(proof.read(self.carrier.log()))

    def close(self) -> None:
        """Stop the engines."""
        for engine in self._engines:
            engine.stop(5)
            engine._loop.close()
            deliver._running.remove(engine)

    def _released_to(self, engines: Sequence[Engine]) -> bool:
        """One tick; True when nothing is due any more."""
        with mock.patch.object(dispatcher, "publish", self._publish):
            self._dispatcher.tick()
        given, self._released = self._released, []
        for engine, release in itertools.product(engines, given):
            engine.accept(release.release)
        return not rows("SELECT 1 FROM message WHERE due_at <= now()")

    def _publish(self, jobs: Sequence[Job]) -> int:
        self._released += [job for job in jobs if isinstance(job, SendMessages)]
        return len(jobs)


@contextlib.contextmanager
def laboratory() -> Iterator[Lab]:
    """A lab on the test's own database; the carrier tells nothing of its own accord."""
    carrier = Carrier(script={"scripted_numbers": False, "callbacks": {"drop": 1}, "latency_ms": 5})
    with carrier, environment(**_settings(carrier)):
        made = Lab(carrier)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def freezing(engine: Engine, *, until: threading.Event) -> Iterator[threading.Event]:
    """This engine stands still between its next claim and the last look before the write.

    Yields an event that is set when it does. The whole loop is blocked, as a stopped process is.
    """
    stands, make = threading.Event(), Calls.make

    async def freeze(calls: Calls, loaded: Loaded) -> bool:
        if calls is engine._calls and not stands.is_set():
            stands.set()
            until.wait(20)
        return await make(calls, loaded)

    with mock.patch.object(Calls, "make", freeze):
        yield stands


def _settings(carrier: Carrier) -> dict[str, object]:
    return {
        **BUDGETS,
        "twilio_api_url": carrier.url,
        "twilio_account_sid": carrier.account_sid,
        "twilio_auth_token": carrier.auth_token,
        "public_url": "http://127.0.0.1:9",
    }
