"""How the dispatcher finds what the senders keep up with: simulated senders of a known speed."""

import pytest

from scheduler.dispatch import admission
from scheduler.dispatch.admission import BEGIN, LEAST, WINDOW, AdmissionControl

TICK = 0.1


class Senders:
    """Meet what they can, miss the rest, and say so."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.met = self.missed = 0
        self.now = 1000.0
        self.pressure = AdmissionControl()
        self.released: list[int] = []

    def run(self, seconds: float, *, wanted: float = 10_000) -> None:
        """The dispatcher ticks; agents want so many starts a second."""
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            self.pressure.learn(self.now, self.met, self.missed)
            slots = max(0, int(min(self.pressure.room(self.now), wanted * TICK)))
            self.pressure.took(slots)
            self.released.append(slots)
            met = min(slots, int(self.capacity * TICK))
            self.met += met
            self.missed += slots - met

    def met_share(self) -> float:
        return self.met / (self.met + self.missed)

    def per_second(self, last: float) -> float:
        """Starts released a second, over the last seconds."""
        return sum(self.released[-round(last / TICK) :]) / last


@pytest.mark.parametrize("capacity", [100, 700, 3_000])
def test_senders_that_are_asked_for_too_much_are_soon_asked_for_what_they_can(
    capacity: float,
) -> None:
    senders = Senders(capacity)

    senders.run(20)

    assert 0.85 * capacity <= senders.per_second(10) <= 1.2 * capacity


def test_without_the_limit_most_slots_would_be_burnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "BEGIN", 10_000.0)
    senders = Senders(1_000)
    senders.run(20)

    monkeypatch.setattr(admission, "MANY", 2.0)  # never too many
    monkeypatch.setattr(admission, "FAR_TOO_MANY", 2.0)
    unsteered = Senders(1_000)
    unsteered.run(20)

    assert senders.met_share() > 4 * unsteered.met_share()


def test_senders_that_keep_up_are_given_all_that_is_wanted_within_seconds() -> None:
    senders = Senders(1e9)

    senders.run(5, wanted=8_000)
    assert senders.per_second(1) == pytest.approx(8_000, rel=0.01)


def test_a_machine_that_stood_still_for_a_moment_gets_its_pace_back() -> None:
    senders = Senders(1e9)
    senders.run(10, wanted=5_000)

    senders.missed += 1_500
    senders.run(6, wanted=5_000)

    assert senders.per_second(1) == pytest.approx(5_000, rel=0.01)


def test_what_nobody_wanted_to_use_is_not_believed_to_be_possible() -> None:
    senders = Senders(2_000)
    senders.run(60, wanted=50)

    senders.run(WINDOW, wanted=10_000)

    assert senders.per_second(WINDOW) <= BEGIN * 1.5


def test_a_few_misses_of_a_small_campaign_change_nothing() -> None:
    senders = Senders(1e9)

    for _ in range(10):
        senders.run(1, wanted=20)
        senders.missed += 3

    assert senders.pressure.limit >= BEGIN


def test_a_flushed_store_is_not_taken_for_misses() -> None:
    senders = Senders(1e9)
    senders.run(5, wanted=5_000)
    limit = senders.pressure.limit

    senders.met = senders.missed = 0
    senders.run(2, wanted=5_000)

    assert senders.pressure.limit >= limit


def test_cold_connections_at_the_start_cost_no_pace() -> None:
    senders = Senders(1e9)
    senders.run(0.3)
    senders.missed += 100

    senders.run(4)

    assert min(senders.released[10:]) >= BEGIN * TICK


def test_what_was_taken_beyond_the_room_is_soon_forgiven() -> None:
    senders = Senders(1e9)
    senders.run(2, wanted=900)

    senders.pressure.took(1_000_000)
    senders.run(1, wanted=900)

    assert senders.released[-1] == 90


def test_however_much_is_missed_somebody_may_always_start() -> None:
    senders = Senders(0)

    senders.run(30)

    assert senders.pressure.limit == LEAST
    assert senders.per_second(5) > 0
