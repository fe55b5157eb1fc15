"""What can be simulated of a hundred million messages a day: `python -m …simulate_scale`.

Four claims of deploy/docs/scale.md, each a small model with its assumptions in sight: cores and
servers from measured costs, agents over shards, a dead scheduler's agents, workers that follow the
load. It measures nothing: the costs come from `make bench`.
"""

import argparse
import hashlib
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)

#: CPU µs of one message with two callbacks, by part: `make bench`, end to end, 2026-11-20, both
#: cores full, in an hour when the machine was slow: the dear end of the range.
COSTS: Final[Mapping[str, float]] = {
    "worker": 617.0,
    "postgres": 514.0,
    "edge": 340.0,
    "dispatch": 109.0,
    "repair": 89.0,
    "redis": 45.0,
    "receipts": 40.0,
}
#: No core should be asked for more than this share of its time.
BUSY: Final = 0.6


@dataclass(frozen=True)
class Day:
    """How a day's messages fall: so many hours of sending, and a peak so many times their mean."""

    messages: int
    hours: float
    peak: float

    @property
    def rate(self) -> float:
        """Messages per second at the peak."""
        return self.messages / (self.hours * 3600) * self.peak


def cores(day: Day, costs: Mapping[str, float] = COSTS) -> dict[str, int]:
    """Cores for each part at the peak."""
    return {part: math.ceil(day.rate * cost / 1e6 / BUSY) for part, cost in costs.items()}


def in_flight(rate: float, seconds: float) -> int:
    """Calls under way at once, by Little's law."""
    return math.ceil(rate * seconds)


def shard_of(agent: int, shards: Sequence[int]) -> int:
    """Rendezvous hashing: a shard that comes or goes moves only its own share of the agents."""

    def weight(shard: int) -> bytes:
        return hashlib.blake2b(b"%d:%d" % (agent, shard), digest_size=8).digest()

    return max(shards, key=weight)


def balance(agents: int, shards: int, *, seed: int = 1) -> tuple[float, float]:
    """The busiest shard against the mean, and the share of agents that one more shard moves.

    Rates are 1 to 5 a second, evenly.
    """
    chance = random.Random(seed)
    load: dict[int, int] = defaultdict(int)
    moved = 0
    for agent in range(agents):
        rate = chance.randint(1, 5)
        shard = shard_of(agent, range(shards))
        load[shard] += rate
        moved += shard_of(agent, range(shards + 1)) != shard
    return max(load.values()) / (sum(load.values()) / shards), moved / agents


def takeover(
    *, lease: float, renew: float, look: float, trials: int = 20_000, seed: int = 1
) -> tuple[float, float]:
    """Seconds that a dead scheduler's agents wait for another: mean and 99th percentile.

    It renews its lease every `renew` seconds for `lease` seconds; the others look every `look`.
    """
    chance = random.Random(seed)
    waits = []
    for _ in range(trials):
        left = lease - chance.uniform(0, renew)
        waits.append(left + chance.uniform(0, look))
    waits.sort()
    return statistics.mean(waits), waits[int(trials * 0.99)]


@dataclass(frozen=True)
class Followed:
    """A day with workers that follow the load."""

    worker_hours: float
    fixed_hours: float
    #: share of the messages that waited longer than a release may, so that they took another slot
    late: float
    worst_seconds: float


def follow(
    day: Day, *, per_worker: float, notice: float = 15, start: float = 20, cooldown: float = 300
) -> Followed:
    """Scale on the age of the oldest release, as KEDA would: seconds from notice to a new worker.

    The load is a smooth day with four campaigns that start at full rate at once. Two workers stay.
    """
    most = math.ceil(day.rate / per_worker / BUSY)
    coming: list[float] = []
    ready, calm = 2, 0.0
    queue = hours = late = worst = 0.0
    total = 0.0
    for second in range(86_400):
        demand = _demand(day, second)
        total += demand
        coming, arrived = [t for t in coming if t > second], [t for t in coming if t <= second]
        ready += len(arrived)
        served = min(queue + demand, ready * per_worker)
        queue += demand - served
        age = queue / max(served, per_worker)
        worst = max(worst, age)
        late += served if age > 0.3 else 0.0
        if second % notice == 0:
            wanted = min(most, math.ceil((demand + queue / notice) / per_worker / BUSY))
            coming += [second + start] * max(0, wanted - ready - len(coming))
            calm = calm + notice if wanted < ready else 0.0
            if calm >= cooldown:
                ready, calm = max(2, wanted), 0.0
        hours += (ready + len(coming)) / 3600
    return Followed(hours, most * 24.0, late / total, worst)


def _demand(day: Day, second: int) -> float:
    """Messages due in that second: agents pace them, so a campaign is a step, not a spike."""
    begins = (24 - day.hours) / 2 * 3600
    at = (second - begins) / (day.hours * 3600)
    if not 0 <= at < 1:
        return 0.0
    mean = day.rate / day.peak
    smooth = mean * 0.7 * (1 - math.cos(2 * math.pi * at))
    step = 0.3 * mean * 4 * ((at * 4) % 1 < 0.25)
    return min(smooth + step, day.rate)


def main() -> None:
    """Print all four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000_000)
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--peak", type=float, default=2)
    full = 1e6 / COSTS["worker"]
    parser.add_argument("--per-worker", type=float, default=full, help="messages/s of a process")
    given = parser.parse_args()
    day = Day(given.messages, given.hours, given.peak)
    console.print(f"{day.messages:,} a day in {day.hours:g} h: {day.rate:,.0f}/s at the peak")
    console.print(_costs(day))
    console.print(_shards())
    for lease, renew, look in ((10, 3, 1), (5, 1, 0.5)):
        mean, slow = takeover(lease=lease, renew=renew, look=look)
        console.print(
            f"lease {lease} s, renewed every {renew} s, looked for every {look:g} s: a dead "
            f"scheduler's agents wait {mean:.1f} s, p99 {slow:.1f} s"
        )
    found = follow(day, per_worker=given.per_worker)
    console.print(
        f"workers that follow the load: {found.worker_hours:,.0f} worker-hours against "
        f"{found.fixed_hours:,.0f}; {found.late:.2%} took another slot, oldest release "
        f"{found.worst_seconds:.1f} s"
    )


def _costs(day: Day) -> Table:
    table = Table(title=f"Cores at the peak, at most {BUSY:.0%} busy")
    for column in ("part", "µs/message", "cores"):
        table.add_column(column, justify="left" if column == "part" else "right")
    needed = cores(day)
    for part, cost in COSTS.items():
        table.add_row(part, f"{cost:.0f}", str(needed[part]))
    table.add_row("all", f"{sum(COSTS.values()):.0f}", str(sum(needed.values())))
    for latency in (0.1, 0.3):
        calls = in_flight(day.rate, latency)
        table.add_row(f"calls in flight at {latency * 1000:.0f} ms", "", f"{calls:,}")
    return table


def _shards() -> Table:
    table = Table(title="50,000 agents over shards, rendezvous hashing")
    for column in ("shards", "busiest / mean", "moved by one more"):
        table.add_column(column, justify="right")
    for shards in (4, 8, 16):
        busiest, moved = balance(50_000, shards)
        table.add_row(str(shards), f"{busiest:.3f}", f"{moved:.1%}")
    return table


if __name__ == "__main__":
    main()
