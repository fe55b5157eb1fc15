"""Leases in Postgres: every shard has one holder at the most, and none for long."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.db.session import statement, transaction
from shared.ledger import shards
from shared.ledger.shards import SHARDS
from tests.support import factories
from tests.support.ledger import Waits

EVERYTHING = frozenset(range(SHARDS))
LENGTH = timedelta(seconds=30)


def take(name: str) -> frozenset[int]:
    with statement() as connection:
        return shards.take(connection, name, length=LENGTH)


def give_back(name: str) -> None:
    with statement() as connection:
        shards.give_back(connection, name)


def dies(name: str) -> None:
    """Its time is over: it has not said for a lease's length that it lives."""
    factories.change("UPDATE lease SET until = now() WHERE holder = :name", name=name)
    factories.change("UPDATE scheduler SET until = now() WHERE name = :name", name=name)


def living() -> list[str]:
    return [row.name for row in factories.rows("SELECT name FROM scheduler ORDER BY name")]


def test_a_scheduler_alone_gets_all_agents(database: str) -> None:
    assert take("ann") == EVERYTHING
    assert take("ann") == EVERYTHING


def test_a_newcomer_gets_its_share_as_soon_as_both_have_asked_again(database: str) -> None:
    take("ann")

    first, anns, bobs = take("bob"), take("ann"), take("bob")

    assert (len(first), len(anns), len(bobs)) == (0, 32, 32)
    assert anns | bobs == EVERYTHING


@pytest.mark.parametrize("many", [2, 3, 5, 7, 48, 70])
def test_however_many_there_are_each_shard_is_with_one_and_the_shares_are_even(
    database: str, many: int
) -> None:
    names = [f"scheduler {n:02d}" for n in range(many)]

    for _ in range(2):
        for name in names:
            take(name)
    shares = [take(name) for name in names]

    assert sum(len(share) for share in shares) == SHARDS
    assert frozenset().union(*shares) == EVERYTHING
    assert {len(share) for share in shares} <= {SHARDS // many, SHARDS // many + 1}


@pytest.mark.parametrize("many", [2, 3, 4, 5])
def test_few_agents_with_keys_in_a_row_are_dealt_evenly_too(database: str, many: int) -> None:
    names = [f"scheduler {n}" for n in range(many)]
    for newcomers in range(1, many + 1):
        for _ in range(2):
            for name in names[:newcomers]:
                take(name)
    shares = [take(name) for name in names]

    for agents in range(2 * many, SHARDS):
        dealt = [sum(key % SHARDS in share for key in range(1, agents + 1)) for share in shares]
        assert min(dealt) > 0
        assert max(dealt) - min(dealt) <= 3


def test_who_has_its_share_keeps_the_very_same_shards(database: str) -> None:
    for name in ("ann", "bob", "ann", "bob"):
        take(name)

    before = take("ann"), take("bob")

    assert (take("ann"), take("bob")) == before


def test_a_dead_schedulers_shards_go_to_the_others_and_not_before_their_time(database: str) -> None:
    for name in ("ann", "bob", "ann", "bob"):
        take(name)
    early = take("ann")

    dies("bob")

    assert len(early) == 32
    assert take("ann") == EVERYTHING


def test_who_comes_back_from_the_dead_takes_nothing_from_the_living(database: str) -> None:
    take("ann")
    dies("ann")
    bobs = take("bob")

    back = take("ann")

    assert (bobs, back) == (EVERYTHING, frozenset())
    assert len(take("bob")) == len(take("ann")) == 32


def test_who_was_silent_and_missed_by_nobody_goes_on_as_before(database: str) -> None:
    take("ann")
    dies("ann")

    assert take("ann") == EVERYTHING


def test_what_is_given_back_is_free_at_once(database: str) -> None:
    for name in ("ann", "bob", "ann", "bob"):
        take(name)

    give_back("bob")

    assert living() == ["ann"]
    assert take("ann") == EVERYTHING


def test_a_shard_that_somebody_has_locked_keeps_nobody_waiting(database: str) -> None:
    with transaction() as connection:
        connection.execute(text("SELECT 1 FROM lease WHERE shard < 10 FOR UPDATE"))
        taken = Waits(lambda: take("ann")).join()

    assert taken == EVERYTHING - frozenset(range(10))


def test_who_freezes_after_asking_holds_no_lock(database: str) -> None:
    with statement() as frozen:
        shards.take(frozen, "ann", length=LENGTH)
        dies("ann")

        assert Waits(lambda: take("bob")).join() == EVERYTHING


def test_those_who_ask_at_once_never_get_the_same_shard_and_never_deadlock(database: str) -> None:
    names = [f"scheduler {n}" for n in range(4)]

    with ThreadPoolExecutor(len(names)) as pool:
        for _ in range(25):
            list(pool.map(take, names))
            give_back(names[0])
    shares = [take(name) for name in names for _ in range(2)][1::2]

    assert sum(len(share) for share in shares) == len(frozenset().union(*shares))


def test_the_dead_are_forgotten_after_an_hour(database: str) -> None:
    take("ann")
    take("bob")
    factories.change("UPDATE scheduler SET until = now() - interval '61 min' WHERE name = 'bob'")

    take("ann")

    assert living() == ["ann"]


def test_there_are_as_many_rows_as_shards(database: str) -> None:
    assert [r.shard for r in factories.rows("SELECT shard FROM lease ORDER BY shard")] == list(
        range(SHARDS)
    )
