"""Dispatchers that share the agents: each releases for those it holds a lease of, and no others."""

import time
from collections import defaultdict

import pytest

from scheduler.dispatch import dispatcher
from scheduler.dispatch.dispatcher import TICK, Dispatcher
from scheduler.dispatch.leases import Leases
from shared.ledger.shards import SHARDS
from shared.queue.jobs import SendMessages
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally
from tests.support import factories
from tests.support.factories import rows

#: Leases run out in real time.
pytestmark = pytest.mark.alone

AGENTS, EACH = 12, 3


class Shared:
    """Two schedulers in one process, and what each has released."""

    def __init__(self) -> None:
        self.leases = {name: Leases(name) for name in ("ann", "bob")}
        self.released = defaultdict(set)  # type: ignore[var-annotated]
        self._ticking = None
        self._dispatchers = {
            name: Dispatcher(Throttle(redis()), Tally(redis()), lambda held=held: held.mine)  # type: ignore[misc]
            for name, held in self.leases.items()
        }

    def agree(self) -> None:
        """Each gets its half."""
        for name in ("ann", "bob", "ann", "bob"):
            self.leases[name].refresh()

    def tick(self, *names: str, until: set[int], seconds: int = 20) -> bool:
        """These tick until all of `until` are released; False if they never are."""
        end = time.monotonic() + seconds
        while not until <= set().union(*self.released.values()):
            if time.monotonic() > end:
                return False
            for name in names:
                self._ticking = name  # type: ignore[assignment]
                self._dispatchers[name].tick()
            time.sleep(TICK)
        return True

    def publish(self, jobs: list[SendMessages]) -> int:
        for job in jobs:
            if isinstance(job, SendMessages):
                self.released[self._ticking] |= {entry[0] for entry in job.release}
        return len(jobs)


@pytest.fixture
def shared(database: str, monkeypatch: pytest.MonkeyPatch) -> Shared:
    made = Shared()
    monkeypatch.setattr(dispatcher, "publish", made.publish)
    return made


@pytest.fixture
def messages(database: str) -> dict[int, int]:
    """Message id → the shard of its agent."""
    agents = [factories.agent(f"agent {n}", senders=1) for n in range(AGENTS)]
    campaign = factories.campaign(*agents)
    return {m: key % SHARDS for key in agents for m in factories.messages(campaign, key, EACH)}


def test_each_releases_for_its_own_agents_and_together_for_all(
    shared: Shared, messages: dict[int, int]
) -> None:
    shared.agree()
    halves = {name: held.mine for name, held in shared.leases.items()}

    assert shared.tick("ann", "bob", until=set(messages))

    for name, half in halves.items():
        mine = {message for message, shard in messages.items() if shard in half}
        assert shared.released[name] == mine != set()


def test_who_wakes_up_with_leases_that_are_over_releases_nothing(
    shared: Shared, messages: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "REFRESH", 60)  # it is not that which lets go of them
    shared.leases["ann"].refresh()
    first = min(messages)
    assert shared.tick("ann", until={first})
    before = set(shared.released["ann"])

    monkeypatch.setattr(shared.leases["ann"], "_own", type(shared.leases["ann"]._own)())
    went_on = shared.tick("ann", until=set(messages), seconds=1)

    assert (went_on, shared.released["ann"]) == (False, before)


def test_what_was_the_others_is_released_as_soon_as_it_is_ours(
    shared: Shared, messages: dict[int, int]
) -> None:
    shared.agree()
    theirs = {m for m, shard in messages.items() if shard in shared.leases["bob"].mine}
    alone = shared.tick("ann", until=theirs, seconds=1)

    shared.leases["bob"].give_back()
    shared.leases["ann"].refresh()

    assert theirs
    assert not alone
    assert shared.tick("ann", until=set(messages))


def test_two_that_both_believe_an_agent_is_theirs_release_nothing_twice(
    shared: Shared, messages: dict[int, int]
) -> None:
    everything = shared.leases["ann"]
    everything.refresh()
    shared.leases["bob"]._own = everything._own

    assert shared.tick("ann", "bob", until=set(messages))

    assert shared.released["ann"] & shared.released["bob"] == set()
    assert rows("SELECT 1 FROM message WHERE due_at <= now()") == []
