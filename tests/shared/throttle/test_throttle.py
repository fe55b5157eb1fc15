"""The pace of an agent: what a store, real or fake, hands out."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from redis import ConnectionError as StoreIsAway
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import ports
from shared.throttle import Granted, Throttle, Want, period
from tests.support.embedded import Servers, temporary_data_dir
from tests.support.environment import environment

NOON = 1_800_000_000.0
#: Slots are kept with six decimals, so a long row of them is not quite exact.
ROUNDING = 1e-4


@pytest.fixture
def throttle(store: Redis) -> Throttle:
    """A throttle whose store was last seen empty ten seconds before noon."""
    throttle = Throttle(store)
    throttle.reserve("first", 1, now=NOON - 10)
    return throttle


def reserved(throttle: Throttle, *wants: Want, ahead: float = 0.25, now: float) -> list[Granted]:
    return throttle.reserve_many(wants, lead=0.1, ahead=ahead, now=now)


def want(agent: str = "ann", *, rate: float = 5, slots: int = 1, extra: float = 0.0) -> Want:
    return Want(agent, f"account of {agent}", rate, slots, extra=extra)


# -- one agent, one slot after the other -----------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 2, 3, 4, 5, 2.5])
def test_slots_of_an_agent_lie_exactly_one_period_apart(throttle: Throttle, rate: float) -> None:
    waits = [throttle.reserve("ann", rate, now=NOON) for _ in range(12)]

    expected = [i * period(rate) for i in range(12)]
    assert waits == pytest.approx(expected, abs=ROUNDING)


def test_there_is_no_burst_however_long_an_agent_has_saved(throttle: Throttle) -> None:
    throttle.reserve("ann", 5, now=NOON)

    waits = [throttle.reserve("ann", 5, now=NOON + 3600) for _ in range(3)]

    assert waits == pytest.approx([0, period(5), 2 * period(5)], abs=ROUNDING)


def test_an_agent_idle_for_longer_than_its_period_waits_for_nothing(throttle: Throttle) -> None:
    throttle.reserve("ann", 2, now=NOON)

    assert throttle.reserve("ann", 2, now=NOON + period(2) + 0.001) == 0


def test_an_agent_idle_for_less_waits_for_the_rest_of_its_period(throttle: Throttle) -> None:
    throttle.reserve("ann", 2, now=NOON)

    assert throttle.reserve("ann", 2, now=NOON + 0.4) == pytest.approx(
        period(2) - 0.4, abs=ROUNDING
    )


def test_agents_do_not_wait_for_each_other(throttle: Throttle) -> None:
    throttle.reserve("ann", 1, now=NOON)

    assert throttle.reserve("bob", 1, now=NOON) == 0


def test_a_new_rate_holds_from_the_next_slot(throttle: Throttle) -> None:
    throttle.reserve("ann", 5, now=NOON)

    waits = [throttle.reserve("ann", 1, now=NOON) for _ in range(2)]

    assert waits == pytest.approx([period(5), period(5) + period(1)], abs=ROUNDING)


# -- the store's own time --------------------------------------------------------------------------


def test_the_first_call_on_an_empty_store_waits_at_most_a_second_and_a_period(store: Redis) -> None:
    wait = Throttle(store).reserve("ann", 5)

    assert 0 < wait <= 1 + period(5)


def test_without_a_given_now_slots_are_in_the_stores_time(store: Redis) -> None:
    throttle = Throttle(store)
    throttle.reserve("ann", 1)
    store.hset("volley:throttle:store", "since", throttle.now() - 10)

    waits = [throttle.reserve("bob", 1) for _ in range(3)]

    assert waits[0] == 0
    assert waits[1:] == pytest.approx([period(1), 2 * period(1)], abs=0.2)


def test_a_client_that_does_not_decode_is_as_good(servers: Servers) -> None:
    with Redis.from_url(servers.redis_url, decode_responses=False) as redis:
        redis.flushdb()
        throttle = Throttle(redis)
        throttle.reserve("first", 1, now=NOON - 10)

        waits = [throttle.reserve("ann", 5, now=NOON) for _ in range(2)]

        assert waits == pytest.approx([0, period(5)], abs=ROUNDING)
        assert throttle.forget_idle(older_than=-3 * NOON) == 2


def test_without_a_store_there_are_no_slots() -> None:
    away = Redis(port=ports.any_free(), retry=Retry(NoBackoff(), 0))

    with pytest.raises(StoreIsAway):
        Throttle(away).reserve("ann", 5)


# -- many at once ----------------------------------------------------------------------------------


def test_threads_that_contend_for_an_agent_never_share_a_slot(throttle: Throttle) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: throttle.reserve("ann", 5, now=NOON), range(80)))

    assert waits == pytest.approx([i * period(5) for i in range(80)], abs=ROUNDING)


_CONTENDER = """
import sys
from redis import Redis
from shared.throttle import Throttle
with Redis.from_url(sys.stdin.read(), decode_responses=True) as redis:
    throttle = Throttle(redis)
    for _ in range(25):
        moment = throttle.now()
        print(moment + throttle.reserve("ann", 5, now=moment))
"""


def test_processes_that_contend_for_an_agent_never_share_a_slot(servers: Servers) -> None:
    with Redis.from_url(servers.redis_url) as redis:
        redis.flushdb()
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", _CONTENDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(4)
    ]

    said = [contender.communicate(servers.redis_url, timeout=60)[0] for contender in contenders]

    slots = sorted(float(line) for each in said for line in each.split())
    assert len(slots) == 100
    assert min(b - a for a, b in pairwise(slots)) > period(5) - ROUNDING


# -- the store forgot ------------------------------------------------------------------------------


def test_after_a_flush_everybody_waits_one_second(store: Redis, throttle: Throttle) -> None:
    throttle.reserve("ann", 5, now=NOON)
    store.flushdb()

    known = throttle.reserve("ann", 5, now=NOON + 0.01)
    stranger = throttle.reserve("bob", 5, now=NOON + 0.5)

    assert known == pytest.approx(1, abs=ROUNDING)
    assert stranger == pytest.approx(0.51, abs=ROUNDING)


def test_a_second_after_a_flush_nobody_waits_any_more(store: Redis, throttle: Throttle) -> None:
    store.flushdb()
    throttle.reserve("ann", 5, now=NOON)

    assert throttle.reserve("bob", 5, now=NOON + 1.001) == 0


def test_slots_taken_before_a_flush_and_after_it_are_no_burst_together(
    store: Redis, throttle: Throttle
) -> None:
    before = throttle.reserve_many([want(slots=9)], lead=0.1, ahead=0.35, now=NOON)[0].slots()
    store.flushdb()

    after = throttle.reserve_many([want(slots=9)], lead=0.1, ahead=2, now=NOON + 0.001)[0].slots()

    assert most_in_a_second(before + after) <= 5


def test_after_a_restart_of_the_store_everybody_waits_one_second() -> None:
    with temporary_data_dir() as data_dir:
        server = EmbeddedValkey(data_dir)
        server.start()
        with Redis.from_url(server.url, decode_responses=True) as redis:
            Throttle(redis).reserve("ann", 5, now=NOON)
        server.stop()

        server = EmbeddedValkey(data_dir)
        server.start()
        try:
            with Redis.from_url(server.url, decode_responses=True) as redis:
                wait = Throttle(redis).reserve("bob", 5, now=NOON + 10)
        finally:
            server.stop()

    assert wait == pytest.approx(1, abs=ROUNDING)


# -- holds and feedback ----------------------------------------------------------------------------


def test_an_agent_on_hold_starts_nothing_before_its_end(throttle: Throttle) -> None:
    throttle.no_start_before("agent:ann", NOON + 30)

    (ann, bob) = reserved(throttle, want("ann"), want("bob"), ahead=3, now=NOON)

    assert (ann.count, bob.count) == (0, 1)
    assert throttle.reserve("ann", 5, now=NOON + 20) >= 10 - ROUNDING


def test_an_account_on_hold_holds_all_its_agents_and_no_other(throttle: Throttle) -> None:
    throttle.no_start_before("account:AC1", NOON + 30)
    wants = [Want("ann", "AC1", 5, 1), Want("bob", "AC1", 5, 1), Want("cid", "AC2", 5, 1)]

    granted = reserved(throttle, *wants, ahead=3, now=NOON)

    assert [grant.count for grant in granted] == [0, 0, 1]


def test_a_hold_is_never_shortened_by_another(throttle: Throttle) -> None:
    throttle.no_start_before("agent:ann", NOON + 30)
    throttle.no_start_before("agent:ann", NOON + 5)

    assert throttle.reserve("ann", 5, now=NOON) >= 30 - ROUNDING


def test_when_a_hold_ends_the_pace_goes_on_without_a_burst(throttle: Throttle) -> None:
    throttle.no_start_before("agent:ann", NOON + 30)

    waits = [throttle.reserve("ann", 5, now=NOON + 31) for _ in range(3)]

    assert waits == pytest.approx([0, period(5), 2 * period(5)], abs=ROUNDING)


def test_what_was_written_late_pushes_the_agents_next_slot(throttle: Throttle) -> None:
    throttle.reserve("ann", 5, now=NOON)
    throttle.delay([("ann", 0.04)])

    assert throttle.reserve("ann", 5, now=NOON) == pytest.approx(period(5) + 0.04, abs=ROUNDING)


def test_feedback_for_an_agent_the_store_does_not_know_is_nothing(throttle: Throttle) -> None:
    throttle.delay([("ann", 0.04)])
    throttle.delay([])

    assert throttle.reserve("ann", 5, now=NOON) == 0


# -- many agents in one call -----------------------------------------------------------------------


def test_no_slot_is_nearer_than_the_lead_or_farther_than_the_horizon(throttle: Throttle) -> None:
    slots = [
        slot
        for grant in reserved(throttle, *(want(f"agent {n}", slots=9) for n in range(50)), now=NOON)
        for slot in grant.slots()
    ]

    assert min(slots) >= NOON + 0.1
    assert max(slots) < NOON + 0.25


def test_nobody_gets_more_slots_than_were_wanted(throttle: Throttle) -> None:
    (grant,) = reserved(throttle, want(slots=2), ahead=60, now=NOON)

    assert len(grant.slots()) == grant.count == 2


def test_agents_that_begin_together_are_spread_over_the_whole_of_their_period(
    throttle: Throttle,
) -> None:
    wants = [want(f"agent {n}", rate=1) for n in range(1000)]

    granted = reserved(throttle, *wants, ahead=60, now=NOON)

    phases = [grant.first - NOON - 0.1 for grant in granted]
    tenths = [sum(i <= 10 * phase / period(1) < i + 1 for phase in phases) for i in range(10)]
    assert sum(tenths) == 1000
    assert all(70 <= agents <= 130 for agents in tenths)


def test_an_agent_whose_phase_lies_beyond_the_horizon_keeps_it_and_gets_its_turn(
    throttle: Throttle,
) -> None:
    wants = [want(f"agent {n}", rate=1) for n in range(100)]
    served = set()

    for tick in range(30):
        granted = reserved(throttle, *wants, now=NOON + tick * 0.05)
        served |= {grant.agent for grant in granted if grant.count}

    assert len(served) == 100


def test_an_agent_that_is_a_little_behind_goes_at_once_and_is_not_spread_anew(
    throttle: Throttle,
) -> None:
    wants = [want(f"agent {n}") for n in range(20)]
    earlier = reserved(throttle, *wants, ahead=60, now=NOON)

    for grant in earlier:
        now = grant.first + grant.period + 0.05  # its next slot was free 50 ms ago
        (again,) = reserved(throttle, want(grant.agent), now=now)
        assert again.first == pytest.approx(now + 0.1, abs=ROUNDING)


def test_an_operator_on_a_jittery_path_gives_more_of_the_rate_away(throttle: Throttle) -> None:
    with environment(pace_margin=0.1):
        waits = [throttle.reserve("ann", 5, now=NOON) for _ in range(3)]

    assert waits == pytest.approx([0, 1.1 / 5, 2.2 / 5], abs=ROUNDING)


def test_a_message_that_was_late_gets_a_slot_a_little_later_than_free(throttle: Throttle) -> None:
    late = want(extra=0.03)

    (grant,) = throttle.reserve_many([late], lead=0.02, ahead=0.5, spread=False, now=NOON)
    (following,) = throttle.reserve_many([want()], lead=0.02, ahead=0.5, spread=False, now=NOON)

    assert grant.first == pytest.approx(NOON + 0.05, abs=ROUNDING)
    assert following.first == pytest.approx(grant.first + period(5), abs=ROUNDING)


def test_several_late_messages_of_one_agent_in_one_call_get_slots_of_their_own(
    throttle: Throttle,
) -> None:
    granted = throttle.reserve_many(
        [want(), want(), want()], lead=0.02, ahead=9, spread=False, now=NOON
    )

    slots = sorted(grant.first for grant in granted)
    gaps = [b - a for a, b in pairwise(slots)]
    assert min(gaps) >= period(5) - ROUNDING


def test_one_call_carries_no_more_than_two_thousand_agents(
    store: Redis, throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = throttle._reserve

    def counting(*, keys: list[str], args: list[object]) -> object:
        asked.append((len(args) - 4) // 5)
        return real(keys=keys, args=args)

    monkeypatch.setattr(throttle, "_reserve", counting)
    granted = reserved(throttle, *(want(f"agent {n}") for n in range(4100)), ahead=9, now=NOON)

    assert asked == [2000, 2000, 100]
    assert [grant.agent for grant in granted] == [f"agent {n}" for n in range(4100)]
    assert all(grant.count for grant in granted)


def test_nobody_asks_for_nothing(throttle: Throttle) -> None:
    assert reserved(throttle, now=NOON) == []


# -- forgetting ------------------------------------------------------------------------------------


def test_idle_agents_and_ended_holds_are_forgotten(store: Redis) -> None:
    throttle = Throttle(store)
    now = throttle.now()
    throttle.reserve("idle", 1, now=now - 7200)
    throttle.reserve("busy", 1, now=now)
    throttle.no_start_before("agent:idle", now - 7200)
    throttle.no_start_before("agent:busy", now + 60)

    assert throttle.forget_idle(older_than=3600) == 2
    assert store.hkeys("volley:throttle:slot") == ["busy"]
    assert store.hkeys("volley:throttle:hold") == ["agent:busy"]


def test_an_agent_that_wakes_while_idle_ones_are_forgotten_keeps_its_slot(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle = Throttle(store)
    now = throttle.now()
    throttle.reserve("ann", 1, now=now - 7200)
    found = list(store.hscan_iter("volley:throttle:slot"))
    monkeypatch.setattr(
        store, "hscan_iter", lambda key: iter(found if key.endswith(":slot") else [])
    )

    throttle.reserve("ann", 1, now=now)
    throttle.forget_idle(older_than=3600)

    assert throttle.reserve("ann", 1, now=now) == pytest.approx(period(1), abs=ROUNDING)


def most_in_a_second(slots: list[float]) -> int:
    return max((sum(0 <= s - first < 1.0 for s in slots) for first in slots), default=0)
