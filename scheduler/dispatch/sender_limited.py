"""Agents whose senders may carry only so many segments a second: their messages ask for both.

Elsewhere slots come first and messages are hinted for them. Here it goes the other way round: which
sender a message speaks from, and how long it is, must be known before there can be a slot. So a few
rows are hinted, one script call gives each the later of its agent's slot and its sender's, or
neither, and what got none is given back until its sender's turn comes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from redis import RedisError
from sqlalchemy import Connection

from shared.db.session import retried
from shared.ledger import sender_limits
from shared.ledger.due import LaneRow
from shared.ledger.sender_limits import PacedHint
from shared.throttle import Text, Throttle, Turn, period

#: A row that waits for its sender is due again so many seconds before it can be of use: lanes are
#: looked for that often. And it looks again after so many seconds, whatever was foretold.
EARLY, LONGEST_WAIT = 0.25, 5.0
#: An agent of several senders that found none of them free looks again after so many seconds, and
#: at so many rows more: somewhere behind may be rows of a sender that is.
PAUSE, MORE, MOST = 0.2, 2, 16

#: What a release carries: slot in Unix seconds of Redis's clock, message id, the hinted `due_at`
ReleaseEntry = tuple[float, int, int]
#: Hinted messages with what the throttle said of each
Answers = Sequence[tuple[PacedHint, Turn]]


class LimitedSenders:
    """The dispatcher's part for these agents: `refresh` now and then, `places` and `turns` a tick.

    Instants are monotonic seconds, as the dispatcher's.
    """

    def __init__(self, throttle: Throttle, *, lead: float, ahead: float) -> None:
        self._throttle = throttle
        self._lead, self._ahead = lead, ahead
        #: agent's key → its numbers, with their segments per second
        self._pools: dict[int, dict[str, float | None]] = {}
        self._lanes: dict[int, LaneRow] = {}
        self._next: dict[int, float] = {}
        self._free: dict[str, float] = {}
        self._more: dict[int, int] = {}
        self._possible: dict[int, int] = {}

    def refresh(self, connection: Connection) -> None:
        """Read which agents they are. A limit that was changed holds from the next tick on."""
        pools = sender_limits.paced(connection)
        if pools != self._pools:
            self._pools = pools
            for foretold in (self._next, self._free, self._more, self._possible):
                foretold.clear()

    def __contains__(self, agent: int) -> bool:
        return agent in self._pools

    def places(self, now: float, lanes: Mapping[int, Sequence[LaneRow]]) -> dict[int, list[float]]:
        """For how many messages each of these agents may have room now: as empty slots."""
        found: dict[int, list[float]] = {}
        for agent in self._pools:
            rows = lanes.get(agent)
            if rows and self._next.get(agent, 0.0) < now + self._ahead:
                self._lanes[agent] = rows[0]
                first = max(self._next.get(agent, 0.0), now + self._lead)
                self._possible[agent] = int((now + self._ahead - first) / period(rows[0].rate)) + 1
                found[agent] = [0.0] * (self._possible[agent] + self._more.get(agent, 0))
        return found

    def turns(self, hints: Sequence[PacedHint], *, now: float, offset: float) -> list[ReleaseEntry]:
        """Slots for what was hinted; the rest is given back. `offset`: from `now` to Redis's time.

        Raises redis.RedisError when nobody can be asked: then all are given back.
        """
        if not hints:
            return []
        try:
            turns, free = self._throttle.reserve_texts(
                [self._text(hint) for hint in hints], lead=self._lead, ahead=self._ahead
            )
        except RedisError:
            _give_back([(hint.message_id, hint.due, None) for hint in hints])
            raise
        answers = list(zip(hints, turns, strict=True))
        self._plan_next_asking(
            answers, {int(agent): at - offset for agent, at in free.items()}, now, offset
        )
        _give_back(list(self._not_granted(answers, now + offset)))
        return [(turn.at, hint.message_id, hint.due) for hint, turn in answers if turn.granted]

    def _text(self, hint: PacedHint) -> Text:
        lane = self._lanes[hint.agent_key]
        return Text(
            agent=str(hint.agent_key),
            account=lane.account,
            rate=lane.rate,
            sender=hint.sender,
            limit=hint.limit,
            segments=hint.segments,
            starts=hint.part == 0,
        )

    def _not_granted(self, answers: Answers, now: float) -> Iterator[tuple[int, int, float | None]]:
        """What is given back. A sender's first keeps its place, or shorter ones would always be
        before it; the others make way for those of other senders until their turn comes.
        """
        first = set[str | None]()
        for hint, turn in answers:
            if turn.granted:
                continue
            keeps_its_place = hint.part > 0 or hint.sender not in first
            first.add(hint.sender)
            wait = min(max(0.0, turn.at - now - self._ahead - EARLY), LONGEST_WAIT)
            yield hint.message_id, hint.due, None if keeps_its_place else wait

    def _plan_next_asking(
        self,
        answers: Answers,
        next_slots: Mapping[int, float],
        now: float,
        offset: float,
    ) -> None:
        """When it is worth to ask for each of these agents again."""
        waiting: dict[str, float] = {}
        for hint, turn in answers:
            if hint.sender is None or hint.limit is None:
                continue
            if turn.granted:
                paid = hint.segments * period(hint.limit)
                self._free[hint.sender] = turn.at - offset + paid
            else:
                waiting.setdefault(hint.sender, turn.at - offset)
        self._free |= waiting
        tried = Counter(hint.agent_key for hint, _ in answers)
        started = Counter(hint.agent_key for hint, turn in answers if turn.granted)
        for agent, slot in next_slots.items():
            pool = self._pools.get(agent, {})
            any_sender = min((self._free.get(number, 0.0) for number in pool), default=0.0)
            self._next[agent] = max(slot, any_sender)
            if len(pool) > 1:
                self._look_further(agent, tried[agent], started[agent], now)

    def _look_further(self, agent: int, tried: int, started: int, now: float) -> None:
        more, possible = self._more.get(agent, 0), self._possible.get(agent, 1)
        if started >= possible:
            self._more[agent] = max(0, more - 1)
        elif tried >= possible + more:
            self._more[agent] = min(2 * more + MORE, MOST)
        if not started:
            self._next[agent] = max(self._next[agent], now + self._ahead + PAUSE)


def _give_back(hints: Sequence[tuple[int, int, float | None]]) -> None:
    if hints:
        retried(partial(sender_limits.rest, hints=hints))
