"""The cluster's count of slots that were met and missed."""

from redis import Redis

from shared.throttle.slot_counts import Tally


def test_what_all_senders_count_is_added_up(store: Redis) -> None:
    Tally(store).add(met=10, missed=1)
    Tally(store).add(met=5, missed=0)

    assert Tally(store).read() == (15, 1, 0)


def test_a_store_that_knows_nothing_counts_nothing(store: Redis) -> None:
    assert Tally(store).read() == (0, 0, 0)


def test_a_change_of_lanes_is_told_to_every_dispatcher_that_asks(store: Redis) -> None:
    before = Tally(store).read()

    Tally(store).nudge()

    assert Tally(store).read() != before
