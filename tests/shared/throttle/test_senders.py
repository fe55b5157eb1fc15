"""The pace of a sender: segments in any second, together with its agents' session starts."""

from collections import defaultdict
from itertools import pairwise

import pytest
from fakeredis import FakeRedis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from shared.throttle import Text, Throttle, Turn, period

NOON = 1_800_000_000.0
ROUNDING = 1e-4
LONG = "+15005550001"


@pytest.fixture
def throttle(store: Redis) -> Throttle:
    """A throttle whose store was last seen empty ten seconds before noon."""
    throttle = Throttle(store)
    throttle.reserve("first", 1, now=NOON - 10)
    return throttle


def text(
    segments: int = 1,
    *,
    sender: str | None = LONG,
    limit: float | None = 1,
    agent: str = "ann",
    rate: float = 5,
    starts: bool = True,
) -> Text:
    return Text(agent, f"account of {agent}", rate, sender, limit, segments, starts)


def asked(
    throttle: Throttle, *texts: Text, now: float = NOON, ahead: float = 1000.0, lead: float = 0.1
) -> list[Turn]:
    return throttle.reserve_texts(texts, lead=lead, ahead=ahead, now=now)[0]


def slots(turns: list[Turn]) -> list[float]:
    assert all(turn.granted for turn in turns)
    return [turn.at for turn in turns]


def most_in_a_second(sent: list[tuple[float, int]]) -> int:
    return max(sum(n for at, n in sent if 0 <= at - first <= 1.0) for first, _ in sent)


# -- one sender ------------------------------------------------------------------------------------


def test_a_text_costs_its_sender_its_segments_at_its_pace(throttle: Throttle) -> None:
    first, second, third = slots(asked(throttle, text(3, limit=2), text(1, limit=2), text(limit=2)))

    assert second - first == pytest.approx(3 * period(1) / 2, abs=ROUNDING)
    assert third - second == pytest.approx(period(1) / 2, abs=ROUNDING)


@pytest.mark.parametrize(("limit", "segments"), [(5, 2), (10, 3), (3, 2), (2.5, 1), (4, 4)])
def test_no_second_holds_more_segments_than_the_limit_and_hardly_fewer(
    throttle: Throttle, limit: float, segments: int
) -> None:
    texts = [text(segments, limit=limit, agent=f"agent-{n}") for n in range(60)]

    at = slots(asked(throttle, *texts))

    assert most_in_a_second([(one, segments) for one in at]) <= limit
    possible = limit // segments * segments / period(1)
    assert 59 * segments / (at[-1] - at[0]) >= 0.999 * possible


def test_a_text_longer_than_a_seconds_limit_has_its_time_to_itself(throttle: Throttle) -> None:
    before, long, after = slots(
        asked(throttle, text(1, limit=2), text(7, limit=2), text(1, limit=2))
    )

    assert long - before >= 1
    assert after - long == pytest.approx(7 * period(1) / 2, abs=ROUNDING)


def test_a_sender_is_one_whichever_agents_speak_from_it(throttle: Throttle) -> None:
    first, second = slots(asked(throttle, text(agent="ann"), text(agent="bob")))

    assert second - first == pytest.approx(period(1), abs=ROUNDING)


def test_a_new_limit_holds_from_the_next_text_on(throttle: Throttle) -> None:
    (first,) = slots(asked(throttle, text(1, limit=0.1)))

    (second,) = slots(asked(throttle, text(1, limit=4)))
    (third,) = slots(asked(throttle, text(1, limit=1)))

    assert second - first == pytest.approx(period(1) / 4, abs=ROUNDING)
    assert third - second == pytest.approx(period(1), abs=ROUNDING)


def test_a_sender_that_rested_saves_nothing_up(throttle: Throttle) -> None:
    slots(asked(throttle, text(5, limit=5)))

    at = slots(asked(throttle, *[text(5, limit=5)] * 2, now=NOON + 60))

    assert at[1] - at[0] == pytest.approx(period(1), abs=ROUNDING)


def test_what_was_written_late_pushes_its_senders_next_slot_by_as_much(throttle: Throttle) -> None:
    (first,) = slots(asked(throttle, text()))
    throttle.delay([("sender:" + LONG, 0.4)])

    (second,) = slots(asked(throttle, text()))

    assert second - first == pytest.approx(0.4 + period(1), abs=ROUNDING)


def test_an_idle_sender_is_forgotten_and_a_busy_one_is_not(store: Redis) -> None:
    throttle = Throttle(store)
    asked(throttle, text(), now=NOON)
    asked(throttle, text(sender="+15005550002", agent="bob"), now=throttle.now() + 5)

    throttle.forget_idle(older_than=3600 if throttle.now() > NOON + 7200 else -1e12)

    assert throttle.now() < NOON or store.hkeys("volley:throttle:sent") == ["+15005550002"]


# -- together with the agent -----------------------------------------------------------------------


def test_a_text_gets_the_later_of_both_slots(throttle: Throttle) -> None:
    slots(asked(throttle, text(limit=1)))

    by_agent, by_sender = slots(asked(throttle, text(sender=None, limit=None), text(limit=1)))
    (after,) = slots(asked(throttle, text(sender=None, limit=None)))

    assert by_sender - by_agent == pytest.approx(period(1) - period(5), abs=ROUNDING)
    assert after - by_sender == pytest.approx(period(5), abs=ROUNDING)


def test_or_neither_and_then_nothing_is_used_up(throttle: Throttle) -> None:
    (first,) = slots(asked(throttle, text()))

    (refused,) = asked(throttle, text(), ahead=0.9)
    (agent,) = slots(asked(throttle, text(sender=None, limit=None)))
    (sender,) = slots(asked(throttle, text(agent="bob")))

    assert not refused.granted
    assert refused.at == pytest.approx(first + period(1), abs=ROUNDING)
    assert agent - first == pytest.approx(period(5), abs=ROUNDING)
    assert sender == pytest.approx(refused.at, abs=ROUNDING)


def test_those_without_a_slot_are_told_their_turns_one_after_the_other(throttle: Throttle) -> None:
    turns = asked(throttle, text(), text(2), text(), ahead=0.5)

    assert [turn.granted for turn in turns] == [True, False, False]
    first, second, third = (turn.at for turn in turns)
    assert (second - first, third - second) == pytest.approx(
        (period(1), 2 * period(1)), abs=ROUNDING
    )


def test_what_waits_for_its_sender_takes_no_time_from_what_need_not(throttle: Throttle) -> None:
    slots(asked(throttle, text(limit=1)))
    free = text(sender=None, limit=None)

    waiting, *others = asked(throttle, text(limit=1), free, free, free, free, ahead=1.2)

    assert [turn.granted for turn in others] == [True] * 4
    assert waiting.at > max(turn.at for turn in others)


def test_a_part_that_continues_a_text_takes_no_slot_of_its_agent(throttle: Throttle) -> None:
    first, more = slots(asked(throttle, text(limit=100), text(limit=100, starts=False)))
    (second,) = slots(asked(throttle, text(sender=None, limit=None)))

    assert more - first == pytest.approx(period(1) / 100, abs=ROUNDING)
    assert second - first == pytest.approx(period(5), abs=ROUNDING)


def test_a_hold_of_the_agent_holds_its_texts_too(throttle: Throttle) -> None:
    throttle.no_start_before("agent:ann", NOON + 3)

    (held, free) = asked(throttle, text(limit=100), text(limit=100, agent="bob"), ahead=0.5)

    assert (held.granted, free.granted) == (False, True)


def test_after_a_429_the_agent_keeps_to_its_share_with_texts_too(store: Redis) -> None:
    throttle = Throttle(store)
    asked(throttle, text(agent="first"), now=throttle.now() - 10)
    throttle.slow("agent:ann")

    at = slots(asked(throttle, *[text(sender=None, limit=None)] * 3, now=throttle.now()))

    assert at[2] - at[1] == pytest.approx(period(5) / 0.7, rel=0.02)


def test_a_store_that_was_flushed_makes_senders_rest_for_a_second(store: Redis) -> None:
    throttle = Throttle(store)
    asked(throttle, text(), now=NOON)
    store.flushall()

    (turn,) = asked(throttle, text(), now=NOON + 5)

    assert turn.at >= NOON + 6


def test_agents_that_start_together_do_not_stay_together(throttle: Throttle) -> None:
    texts = [text(agent=f"agent-{n}", sender=f"+1500555{n:04}", limit=5) for n in range(50)]

    at = sorted(slots(asked(throttle, *texts)))

    assert at[-1] - at[0] > 0.8 * period(5)
    assert min(after - before for before, after in pairwise(at)) < period(5) / 50


def test_short_texts_do_not_keep_a_long_one_waiting_for_ever(throttle: Throttle) -> None:
    now, waited, slot = NOON, 0, None
    while slot is None and waited < 200:
        now, waited = now + 0.05, waited + 1
        short = [text(1, limit=10, agent=f"agent-{n}") for n in range(2)]
        turns = asked(throttle, *short, text(9, limit=10, agent="zoe"), now=now, ahead=0.25)
        slot = turns[-1].at if turns[-1].granted else None

    assert slot is not None
    assert slot - NOON < 4


def test_an_agent_whose_sender_is_busy_goes_as_soon_as_that_is_free(throttle: Throttle) -> None:
    now, at = NOON, slots(asked(throttle, text()))
    while len(at) < 6:
        now += 0.05
        turns = asked(throttle, text(), now=now, ahead=0.25)
        at += [turn.at for turn in turns if turn.granted]

    gaps = [after - before for before, after in pairwise(at)]
    assert gaps == pytest.approx([period(1)] * 5, abs=ROUNDING)


# -- whatever comes in whatever order --------------------------------------------------------------

NUMBERS = {"+15005550001": 1.0, "+15005550002": 3.0, "+15005550003": 10.0, "": None}
RATES = {"ann": 5, "bob": 2}
one_text = st.tuples(
    st.sampled_from(sorted(RATES)), st.sampled_from(sorted(NUMBERS)), st.integers(1, 12),
    st.booleans(),
)  # fmt: skip
call = st.tuples(st.floats(0, 1.2), st.lists(one_text, min_size=1, max_size=8))


def holds(texts: list[tuple[float, int]], limit: float) -> bool:
    """No second with more, unless it is one text that is longer by itself."""
    for first, _ in texts:
        second = [n for at, n in texts if 0 <= at - first <= 1.0]
        if len(second) > 1 and sum(second) > limit:
            return False
    return True


@settings(max_examples=150, deadline=None)
@given(calls=st.lists(call, max_size=25), delays=st.lists(st.floats(0, 0.5), max_size=5))
def test_no_second_ever_holds_more_than_either_allows(
    calls: list[tuple[float, list[tuple[str, str, int, bool]]]], delays: list[float]
) -> None:
    now = NOON
    starts: dict[str, list[tuple[float, int]]] = defaultdict(list)
    sent: dict[str, list[tuple[float, int]]] = defaultdict(list)
    with FakeRedis(decode_responses=True) as redis:
        redis.flushall()
        throttle = Throttle(redis)
        for step, wanted in calls:
            now += step
            texts = [
                Text(agent, "AC1", RATES[agent], number or None, NUMBERS[number], n, begins)
                for agent, number, n, begins in wanted
            ]
            turns = asked(throttle, *texts, now=now, ahead=0.25)
            for one in (t for t in zip(texts, turns, strict=True) if t[1].granted):
                starts[one[0].agent] += [(one[1].at, 1)] * one[0].starts
                sent[one[0].sender or ""].append((one[1].at, one[0].segments))
            throttle.delay([("sender:+15005550002", seconds) for seconds in delays[:1]])

    assert all(holds(starts[agent], rate) for agent, rate in RATES.items())
    assert all(holds(sent[number], limit) for number, limit in NUMBERS.items() if limit)
