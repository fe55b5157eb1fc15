"""Ten rows launched beside a huge campaign on the same agent, against the ten alone."""

import statistics
from collections.abc import Sequence

from tests.benchmarks import people
from tests.benchmarks.row import Row, within
from tests.benchmarks.stacks import Stage, stage
from tests.support.eventually import eventually

RATE, SMALL = 5, 10


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Slots until its first start, and how long it takes in all."""
    huge = 5_000 if quick else 100_000
    firsts, takes = [], []
    with stage(workers=2) as stack:
        stack.dial({"scripted_numbers": False})
        (name,) = stack.agents(1, 1, rate=RATE)
        alone = [_small(stack, name, n) for n in range(rounds)]
        phones = [people.phone(100_000 + i) for i in range(huge)]
        beside = stack.upload("huge", phones, [name])
        stack.launch(beside)
        eventually(
            lambda: _went(stack, beside) > RATE, "the huge one to run", seconds=300, every=0.1
        )
        for n in range(rounds):
            first, whole = _small(stack, name, rounds + n)
            firsts.append((first * RATE, 2.0))
            takes.append((whole, statistics.median(took for _, took in alone)))
        went = _went(stack, beside)
        assert went > 2 * RATE, "the huge one was starved"
    seen = ", ".join(f"{first:.2f}" for first, _ in alone)
    note = f"beside {huge:,} rows; from the launch's answer; alone after {seen} s"
    return [
        within("fairness: first start", firsts, unit="slots", most=1, note=note),
        within("fairness: all ten", takes, unit="s", most=2),
    ]


def _small(stack: Stage, agent: str, n: int) -> tuple[float, float]:
    """Seconds from the launch to the first start and to the last."""
    phones = [people.phone(1000 * (n + 1) + i) for i in range(SMALL)]
    campaign = stack.upload(f"small {n}", phones, [agent])
    launched = stack.one("SELECT extract(epoch FROM clock_timestamp())::float")
    stack.launch(campaign)
    eventually(
        lambda: _went(stack, campaign), "the ten to go", becomes=SMALL, seconds=300, every=0.05
    )
    log = [entry for entry in stack.api.carrier_log() if entry["to"] in set(phones)]
    assert len(log) == SMALL
    ats = sorted(entry["at"] for entry in log)
    return ats[0] - launched, ats[-1] - launched


def _went(stack: Stage, campaign: int) -> int:
    query = (
        "SELECT count(*) FROM message WHERE campaign_id = :id "
        "AND status IN ('accepted', 'sent', 'delivered')"
    )
    return int(stack.one(query, id=campaign))
