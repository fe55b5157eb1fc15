"""The promise of the pace, whatever calls come in whatever order: a property."""

from collections import defaultdict
from dataclasses import dataclass, field

from fakeredis import FakeRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.throttle import Throttle, Want

NOON = 1_800_000_000.0
AGENTS = st.sampled_from(["ann", "bob"])
#: Processes are not quite of one mind about the time.
STEPS = st.floats(-0.05, 1.5, allow_nan=False)

next_slot = st.tuples(st.just("next"), AGENTS, STEPS)
several = st.tuples(
    st.just("several"), AGENTS, STEPS, st.integers(1, 4), st.floats(0, 0.2), st.booleans()
)
late_again = st.tuples(st.just("late"), AGENTS, STEPS, st.floats(0, 0.5), st.integers(1, 3))
feedback = st.tuples(st.just("feedback"), AGENTS, STEPS, st.floats(0, 2))
hold = st.tuples(st.just("hold"), AGENTS, STEPS, st.floats(0, 3))
calls = st.lists(st.one_of(next_slot, several, late_again, feedback, hold), max_size=40)
rates = st.fixed_dictionaries({"ann": st.integers(1, 5), "bob": st.integers(1, 5)})


@dataclass
class Run:
    """What came of a sequence of calls."""

    throttle: Throttle
    rates: dict[str, int]
    now: float = NOON
    slots: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def next(self, agent: str) -> None:
        wait = self.throttle.reserve(agent, self.rates[agent], now=self.now)
        self.slots[agent].append(self.now + wait)

    def several(self, agent: str, slots: int, extra: float, spread: bool) -> None:
        want = Want(agent, "AC1", self.rates[agent], slots, extra=extra)
        self._reserve([want], lead=0.1, spread=spread)

    def late(self, agent: str, extra: float, messages: int) -> None:
        want = Want(agent, "AC1", self.rates[agent], 1, extra=extra)
        self._reserve([want] * messages, lead=0.02, spread=False)

    def feedback(self, agent: str, seconds: float) -> None:
        self.throttle.delay([(agent, seconds)])

    def hold(self, agent: str, seconds: float) -> None:
        self.throttle.no_start_before(f"agent:{agent}", self.now + seconds)

    def _reserve(self, wants: list[Want], *, lead: float, spread: bool) -> None:
        granted = self.throttle.reserve_many(
            wants, lead=lead, ahead=0.5, spread=spread, now=self.now
        )
        for grant in granted:
            self.slots[grant.agent] += grant.slots()


@settings(max_examples=120, deadline=None)
@given(calls=calls, rates=rates)
def test_no_second_ever_holds_more_slots_than_the_rate(
    calls: list[tuple[object, ...]], rates: dict[str, int]
) -> None:
    with FakeRedis(decode_responses=True) as redis:
        redis.flushall()
        run = Run(Throttle(redis), rates)

        for name, agent, step, *details in calls:
            run.now += float(str(step))
            getattr(run, str(name))(agent, *details)

    for agent, slots in run.slots.items():
        assert most_in_a_second(slots) <= rates[agent]


def most_in_a_second(slots: list[float]) -> int:
    return max((sum(0 <= s - first <= 1.0 for s in slots) for first in slots), default=0)
