"""Two schedulers on one ledger: they share the agents, and each takes over from the other."""

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest

from deploy.local.system import processes
from scheduler.dispatch.leases import LENGTH
from shared.ledger.shards import SHARDS
from tests.chaos.harness import Bench, bench
from tests.chaos.invariants import Truth, broken
from tests.chaos.nemesis import frozen

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]

AGENTS, RATE, ROWS = 16, 3, 1600
#: Seconds: a takeover takes a lease's length and a second; the rest is for a busy machine.
SOON = 3 * LENGTH


def test_schedulers_share_the_agents_and_one_goes_on_when_the_other_freezes_or_is_killed() -> None:
    with bench(workers=2, schedulers=2) as stack:
        stack.wait(lambda: _shards(stack) == [32, 32], "both to get their half", seconds=SOON)
        stack.launch(stack.upload(ROWS, stack.add_agents(AGENTS, rate=RATE)))
        stack.until_went(0.05)
        agents = _agents(stack)

        first, second = stack.pids("scheduler")
        with _machine_frozen(first):
            _others_take_over(stack, gone=first)
            stack.wait(lambda: _loops_ran(stack), "the loops to run on the second", seconds=SOON)
        stack.wait(lambda: _shards(stack) == [32, 32], "the first to be back", seconds=SOON)

        os.kill(second, signal.SIGKILL)
        _others_take_over(stack, gone=second)
        before_its_end = stack.status(stack.campaigns[0])
        stack.converge()
        truth = stack.truth()

    assert agents == [AGENTS // 2, AGENTS // 2]
    assert before_its_end == "running"
    assert not broken(truth)
    assert truth.statuses == {"delivered": ROWS}
    assert _longest_silence(truth) < SOON


@contextlib.contextmanager
def _machine_frozen(pid: int) -> Iterator[None]:
    """A scheduler and its child stand still, as when their machine does."""
    with contextlib.ExitStack() as still:
        for one in [pid, *(child.pid for child in processes.children(pid))]:
            still.enter_context(frozen(one))
        yield


def _shards(stack: Bench) -> list[int]:
    """How many shards each of the living holds."""
    query = "SELECT count(*) FROM lease WHERE until > now() GROUP BY holder"
    return sorted(row[0] for row in stack.rows(query))


def _agents(stack: Bench) -> list[int]:
    """For how many agents each of the living dispatches."""
    query = (
        "SELECT count(*) FROM agent JOIN lease ON shard = agent.key % 64"
        " WHERE until > now() GROUP BY holder"
    )
    return sorted(row[0] for row in stack.rows(query))


def _others_take_over(stack: Bench, *, gone: int) -> None:
    """Wait until every agent has another scheduler than this one, and goes on speaking."""

    def taken_over() -> bool:
        held = "SELECT count(*) FROM lease WHERE until > now() AND holder NOT LIKE :gone"
        return bool(stack.rows(held, gone=f"%:{gone}:%")[0][0] == SHARDS)

    stack.wait(taken_over, "the others to take over", seconds=SOON)
    since = stack.rows("SELECT now()")[0][0]

    def all_speak() -> bool:
        agents = "SELECT count(DISTINCT agent_key) FROM message WHERE sent_at > :since"
        return bool(stack.rows(agents, since=since)[0][0] == AGENTS)

    stack.wait(all_speak, "all agents to go on", seconds=SOON)


def _loops_ran(stack: Bench) -> bool:
    """Whether every loop that is due each second ran a moment ago."""
    (late,) = stack.rows(
        "SELECT count(*) FROM loop_run WHERE name IN ('receipts', 'reconcile', 'launch', 'finish')"
        " AND last_run < now() - interval '4 s'"
    )
    return bool(late[0] == 0)


def _longest_silence(truth: Truth) -> float:
    """The longest time between two starts of one agent, in seconds at the carrier."""
    starts = defaultdict(list)
    for entry in truth.log:
        starts[entry.sender].append(entry.at)
    return max(b - a for instants in starts.values() for a, b in pairwise(sorted(instants)))
