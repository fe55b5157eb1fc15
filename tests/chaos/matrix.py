"""The fault matrix, long form: each fault as what happens while a campaign runs."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from shared import clock
from tests.chaos.harness import PATIENCE, Bench
from tests.chaos.invariants import Truth, broken, lost, too_fast, twice, unknown_without_reason
from tests.chaos.nemesis import (
    cut_connections,
    every,
    freeze,
    frozen,
    full_broker,
    full_disk,
    kill,
    kill_a_sender,
    wipe_broker,
)

Trouble = Callable[[Bench], contextlib.AbstractContextManager[object]]
#: Share of the recipients who are texted while the fault lasts; the rest bears witness.
SHARE: Final = 0.85
#: 200 session starts a second.
AGENTS: Final = 40


@dataclass(frozen=True)
class Fault:
    """One row of the matrix."""

    name: str
    load: int
    trouble: Trouble
    #: no callback and no fresh list: nothing can decide, so all that is in doubt may be parked
    deaf: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    fault: Fault
    load: int
    lost: int
    twice: int
    unknown: int
    too_fast: int
    #: from the launch until everybody had an end
    seconds: float
    #: everything else that broke, in words
    others: str

    @property
    def good(self) -> bool:
        """Whether the promise held."""
        return not (self.lost or self.twice or self.too_fast or self.others)


def run(stack: Bench, fault: Fault, *, load: int) -> Outcome:
    """Let the fault strike a campaign of so many recipients, and judge what came of it."""
    stack.begin()
    campaign = stack.upload(load, stack.add_agents(AGENTS))
    began = clock.unix()
    stack.launch(campaign)
    with fault.trouble(stack):
        stack.until_went(SHARE)
    stack.carrier(fault_rates={}, storm_429_until=0)
    stack.converge(seconds=PATIENCE + load / 10)
    return _outcome(fault, load, stack.truth(), seconds=clock.unix() - began)


def _outcome(fault: Fault, load: int, truth: Truth, *, seconds: float) -> Outcome:
    wrong = broken(truth, but=(lost, twice, too_fast))
    parked = unknown_without_reason(truth, doubt=4, verdict=12)
    if parked and not fault.deaf:
        wrong["unknown_without_reason"] = parked
    return Outcome(
        fault=fault,
        load=load,
        lost=len(lost(truth)),
        twice=len(twice(truth)),
        unknown=truth.statuses["unknown"],
        too_fast=len(too_fast(truth)),
        seconds=seconds,
        others="; ".join(f"{name}: {found[0]}" for name, found in wrong.items()),
    )


@contextlib.contextmanager
def _all_at_once(stack: Bench) -> Iterator[None]:
    """A kill every 2 s, two wipes, 3 % 429, 5 % ambiguous answers."""
    stack.carrier(
        fault_rates={
            "429": 0.03, "500_before": 0.01, "500_after": 0.01, "reset_before": 0.01,
            "reset_after": 0.01, "hang_after": 0.01,
        }
    )  # fmt: skip
    with every(2, kill_a_sender(stack)):
        stack.until_went(0.3)
        wipe_broker(stack)()
        stack.until_went(0.6)
        wipe_broker(stack)()
        yield


@contextlib.contextmanager
def _zombies(stack: Bench) -> Iterator[None]:
    with every(1, freeze(stack.senders, seconds=15)):
        yield


@contextlib.contextmanager
def _frozen_broker(stack: Bench) -> Iterator[None]:
    with frozen(stack.pids("valkey")[0]):
        threading.Event().wait(30)
    yield


@contextlib.contextmanager
def _full_broker(stack: Bench) -> Iterator[None]:
    stack.until_went(0.2)
    with full_broker(stack):
        threading.Event().wait(10)
    yield


@contextlib.contextmanager
def _full_disk(stack: Bench) -> Iterator[None]:
    stack.until_went(0.2)
    with full_disk(stack):
        threading.Event().wait(10)
    yield


@contextlib.contextmanager
def _storm(stack: Bench) -> Iterator[None]:
    stack.until_went(0.2)
    stack.carrier(storm_429_until=clock.unix() + 20)
    yield


@contextlib.contextmanager
def _deaf_api(stack: Bench) -> Iterator[None]:
    with frozen(stack.pids("api")[0]):
        stack.until_went(SHARE)
    yield


@contextlib.contextmanager
def _pauses(stack: Bench) -> Iterator[None]:
    """Pause and resume under a storm of kills."""
    with every(2, kill_a_sender(stack)):
        for share in (0.2, 0.4, 0.6):
            stack.until_went(share)
            stack.act(stack.campaigns[0], "pause")
            threading.Event().wait(2)
            stack.act(stack.campaigns[0], "resume")
        yield


def _every(seconds: float, fault: Callable[[Bench], Callable[[], object]]) -> Trouble:
    return lambda stack: every(seconds, fault(stack))


def _dials(**dials: object) -> Trouble:
    @contextlib.contextmanager
    def trouble(stack: Bench) -> Iterator[None]:
        stack.carrier(**dials)
        yield

    return trouble


#: Two in a hundred each.
BAD_ANSWERS: Final = dict.fromkeys(
    (
        *("429", "500_before", "500_after", "reset_before", "reset_after"),
        *("hang_before", "hang_after", "truncated", "slow_loris"),
    ),
    0.02,
)
#: One in ten each.
BAD_CALLBACKS: Final = dict.fromkeys(
    (
        *("drop", "twice", "thrice", "reverse", "early"),
        *("sent_only", "replay", "forged", "wrong_account"),
    ),
    0.1,
)
_DOUBTS: Final = {"500_before": 0.02, "500_after": 0.02, "reset_after": 0.02}

MATRIX: Final = (
    Fault("kill -9 every 2 s, 2 wipes, 3 % 429, 5 % in doubt", 20_000, _all_at_once),
    Fault("kill -9 a sender every 2 s", 3_000, _every(2, kill_a_sender)),
    Fault(
        "SIGTERM a sender every 3 s",
        5_000,
        _every(3, lambda stack: kill_a_sender(stack, number=signal.SIGTERM)),
    ),
    Fault("freeze senders for 15 s each", 4_000, _zombies),
    Fault("wipe the broker every 5 s", 5_000, _every(5, wipe_broker)),
    Fault("kill -9 the broker every 8 s", 5_000, _every(8, lambda stack: kill(stack, "valkey"))),
    Fault("freeze the broker for 30 s", 2_000, _frozen_broker),
    Fault("a full broker for 10 s", 5_000, _full_broker),
    Fault("kill -9 Postgres every 10 s", 5_000, _every(10, lambda stack: kill(stack, "postgres"))),
    Fault("cut Postgres connections, two every 0.4 s", 5_000, _every(0.4, cut_connections)),
    Fault("a full disk for 10 s", 5_000, _full_disk),
    Fault("every bad answer, 2 % each", 10_000, _dials(fault_rates=BAD_ANSWERS)),
    Fault("429 for 20 s", 5_000, _storm),
    Fault("every bad callback, 10 % each", 5_000, _dials(callbacks=BAD_CALLBACKS)),
    Fault("no callbacks, 6 % in doubt", 5_000, _dials(callbacks={"drop": 1}, fault_rates=_DOUBTS)),
    Fault(
        "a list that lags 20 s, no callbacks, 6 % in doubt",
        2_000,
        _dials(callbacks={"drop": 1}, fault_rates=_DOUBTS, list_lag_seconds=20),
        deaf=True,
    ),
    Fault("an API that is frozen", 2_000, _deaf_api),
    Fault("kill -9 the scheduler every 4 s", 5_000, _every(4, lambda s: kill(s, "scheduler"))),
    Fault("kill -9 the API every 4 s", 5_000, _every(4, lambda stack: kill(stack, "api"))),
    Fault("pause and resume under kills", 5_000, _pauses),
)
