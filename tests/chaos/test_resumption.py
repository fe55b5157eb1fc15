"""A broker that was killed is back: sending goes on soon, and not when hints have gone stale."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest

from tests.chaos.harness import Bench, bench
from tests.chaos.invariants import broken
from tests.chaos.nemesis import kill
from tests.support import own_servers as own

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]

ROWS: Final = 1600
AGENTS: Final = 16
#: Starts a second of each agent: a slot is a fifth of a second.
RATE: Final = 5
#: So many slots of each agent are looked at before the kill, and from the return on. Workers look
#: for a broker every second, which is a tenth of the latter.
BEFORE, AFTER = 25, 50
#: What is started in a slot after the return, of what was before the kill.
HALF: Final = 0.5
#: Seconds that a lost hint rests: longer than all that is left to send takes.
STALE: Final = 60
ENV: Final = {"VOLLEY_RELEASE_STALE_AFTER": str(STALE)}

#: Ends a broker, and comes back when it has been away for a while and answers again.
Restart = Callable[[], None]


@contextmanager
def rabbitmq() -> Iterator[tuple[Bench, Restart]]:
    with (
        own.rabbitmq() as server,
        bench(workers=2, env={**ENV, "VOLLEY_BROKER_URL": server.url}) as stack,
    ):

        def restart() -> None:
            server.stop(hard=True)
            threading.Event().wait(3)
            server.start()

        yield stack, restart


@contextmanager
def valkey() -> Iterator[tuple[Bench, Restart]]:
    with bench(workers=2, env=ENV) as stack:
        before = stack.pids("valkey")

        def restart() -> None:
            assert kill(stack, "valkey")()
            stack.wait(lambda: stack.pids("valkey") not in ([], before), "another Valkey")

        yield stack, restart


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param(
            rabbitmq,
            marks=pytest.mark.skipif(
                bool(own.missing("RabbitMQ")), reason="RabbitMQ is not installed"
            ),
        ),
        valkey,
    ],
)
def test_sending_goes_on_soon_after_a_killed_broker_is_back(
    broker: Callable[[], AbstractContextManager[tuple[Bench, Restart]]],
) -> None:
    with broker() as (stack, restart):
        stack.launch(stack.upload(ROWS, stack.add_agents(AGENTS, rate=RATE)))
        stack.until_went(0.4)
        killed = time.time()
        restart()
        back = time.time()
        stack.until_went(0.95)  # what was on its way at the kill may be lost, and rests
        took = time.time() - back
        stack.converge()
        truth = stack.truth()
        starts = [entry["at"] for entry in stack.api.carrier_log()]

    before = sum(killed - BEFORE / RATE <= at < killed for at in starts) / BEFORE
    after = sum(back <= at < back + AFTER / RATE for at in starts) / AFTER
    assert after >= HALF * before
    assert took < STALE
    assert not broken(truth)
    assert truth.statuses == {"delivered": ROWS}
