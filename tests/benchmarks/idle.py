"""What the whole stack costs while nothing is due: CPU seconds of its processes a second."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from deploy.local.system import pid_table
from tests.benchmarks.people import phone
from tests.benchmarks.processes import cpu_of_tree, cpu_seconds
from tests.benchmarks.row import Row, within
from tests.benchmarks.stacks import Stage, difference, stage
from tests.support.eventually import eventually

#: Percent of one core, all processes of `volley up` together. The short form lets twice as much
#: pass: neighbours that empty the caches make every wake dearer.
MOST, MOST_QUICK = 3.0, 6.0
#: Seconds after the last message until the stack counts as idle: the dispatcher waits for ten.
SETTLED = 15.0
AGENTS, MESSAGES = 50, 250


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """The stack as `volley up` starts it, after a campaign that has finished."""
    seconds, most = (20.0, MOST_QUICK) if quick else (60.0, MOST)
    with stage(flower=True) as on:
        campaign = on.upload("done", [phone(i) for i in range(MESSAGES)], on.agents(1, AGENTS))
        on.launch(campaign)
        eventually(
            lambda: on.status(campaign),
            "the campaign's end",
            becomes="finished",
            seconds=300,
            every=0.1,
        )
        time.sleep(SETTLED)
        runs = [_percent(on, seconds) for _ in range(1 if quick else rounds)]
    last = sorted(runs[-1].items(), key=lambda role: -role[1])
    note = ", ".join(f"{role} {percent:.2f}" for role, percent in last)
    pairs = [(sum(run.values()), most) for run in runs]
    return [within("idle stack, CPU", pairs, unit="% of a core", most=1, note=note)]


def _percent(on: Stage, seconds: float) -> dict[str, float]:
    """Percent of a core by role, over so many seconds."""
    before, began = _by_role(on), time.monotonic()
    time.sleep(seconds)
    spent, passed = difference(before, _by_role(on)), time.monotonic() - began
    return {role: cpu / passed * 100 for role, cpu in spent.items()}


def _by_role(on: Stage) -> Mapping[str, float]:
    """CPU seconds so far; the supervisor's own without those of its children."""
    spent: dict[str, float] = defaultdict(float)
    for entry in pid_table.read(on.stack.data_dir):
        if entry.role == "supervisor":
            spent[entry.role] = cpu_seconds(entry.pid)
        else:
            spent[entry.role] += sum(cpu_of_tree(entry.pid).values())
    return spent
