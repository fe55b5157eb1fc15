"""Dispatch for agents whose senders have a limit in segments per second.

For other agents the dispatcher reserves slots first, then hints messages for them. Here it first
needs each message's sender and length. So it hints a few rows; one script call gives each the later
of its agent's slot and its sender's, or none; rows without a slot go back until their sender has
room.
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

#: Seconds. A row that waits for its sender is due again EARLY before its sender has room, because
#: lanes are read that often; and after LONGEST_WAIT in any case.
EARLY, LONGEST_WAIT = 0.25, 5.0
#: An agent of several senders that found none free tries again after PAUSE seconds, with MORE rows,
#: up to MOST: rows further behind may have a free sender.
PAUSE, MORE, MOST = 0.2, 2, 16

#: One message in a release: slot in Unix seconds of Redis's clock, message id, the hinted `due_at`
ReleaseEntry = tuple[float, int, int]
#: Hinted messages, each with the throttle's answer
Answers = Sequence[tuple[PacedHint, Turn]]


class LimitedSenders:
    """The dispatcher's part for these agents: `places` and `turns` each tick, `refresh` less often.

    Instants are monotonic seconds, unless said otherwise.
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
        """Read which agents have limits. A changed limit counts from the next tick on."""
        pools = sender_limits.paced(connection)
        if pools != self._pools:
            self._pools = pools
            for foretold in (self._next, self._free, self._more, self._possible):
                foretold.clear()

    def __contains__(self, agent: int) -> bool:
        return agent in self._pools

    def places(self, now: float, lanes: Mapping[int, Sequence[LaneRow]]) -> dict[int, list[float]]:
        """Empty slots (0.0) for each agent, one for each message it may have room for now."""
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
        """Slots for hinted messages; gives back those without one. `offset`: `now` to Redis's time.

        Raises redis.RedisError without Redis, after giving back all of them.
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
        """The messages to give back. A sender's first keeps its place, or shorter ones would always
        overtake it; the others wait, so that messages of other senders come forward.
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
        """Set the instant at which each of these agents is asked for next."""
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
