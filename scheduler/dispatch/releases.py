"""Deal hinted messages into releases; draw places by lot when there are too few for all agents."""

import random
from collections.abc import Iterable, Iterator, Mapping

from scheduler.dispatch.sender_limited import ReleaseEntry
from shared.ledger.due import Hint
from shared.queue.jobs import SendMessages

#: Messages in one release, at the least and at the most: a release costs a worker as much as
#: sending ten messages, and the messages of a worker that dies wait for half a minute.
RELEASE = (50, 100)
#: Releases in a tick, roughly: enough for all workers to get some.
SHARES = 4

#: (campaign, agent's key)
Lane = tuple[int, int]


def draw_places(places: Mapping[int, list[float]], share: float) -> dict[int, list[float]]:
    """About `share` of the places, those of agents drawn by lot."""
    agents = list(places)
    random.shuffle(agents)
    left = max(0.0, share) * sum(map(len, places.values()))
    some: dict[int, list[float]] = {}
    for agent in agents:
        if left <= 0:
            break
        some[agent] = places[agent]
        left -= len(places[agent])
    return some


def releases(
    hints: Iterable[Hint], shares: Mapping[Lane, list[float]], more: Iterable[ReleaseEntry] = ()
) -> Iterator[SendMessages]:
    """The hinted messages with their slots as releases, nearest slots first; `more` entries already
    have their slots.
    """
    slots = {lane: iter(sorted(instants)) for lane, instants in shares.items()}
    dealt = (
        (next(slots[hint.campaign_id, hint.agent_key]), hint.message_id, hint.due) for hint in hints
    )
    entries = sorted([*dealt, *more])
    size = min(max(RELEASE[0], -(-len(entries) // SHARES)), RELEASE[1])
    for start in range(0, len(entries), size):
        yield SendMessages(
            release=tuple(
                (message_id, slot, due) for slot, message_id, due in entries[start : start + size]
            )
        )
