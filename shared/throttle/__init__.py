"""The pace of every agent over the whole cluster: burst-1 GCRA (ITU-T I.371) on absolute slots.

A slot is an absolute instant on Redis's clock. The period between two slots is (1 + margin) / rate,
so that at most `rate` session starts fall into any second even when the path to the provider
jitters by some milliseconds. It fails closed: without Redis there are no slots, and nothing starts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.settings import settings

#: After a 429 a scope may use this share of its rate, never less than the least. The share grows by
#: `RECOVER` a second. 429s within `TOGETHER` seconds count as one.
SLOWER, LEAST, RECOVER, TOGETHER = 0.7, 0.1, 0.02, 1.0

#: The prefix of a sender in `delay`: "sender:+1…". An agent has no prefix.
SENDER = "sender:"

_TAT = "volley:throttle:slot"
_HOLD = "volley:throttle:hold"
_STORE = "volley:throttle:store"
_PACE = "volley:throttle:pace"
_SENT = "volley:throttle:sent"
_KEYS = [_TAT, _HOLD, _STORE, _PACE, _SENT]
_HERE = Path(__file__).parent
#: Redis is single-threaded: one call for 10,000 agents would block it for 8 to 10 ms.
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Want:
    """How many slots an agent could use now."""

    agent: str
    account: str
    #: session starts per second
    rate: float
    slots: int
    #: seconds before the first slot, so that late messages of one moment spread out
    extra: float = 0.0


@dataclass(frozen=True, slots=True)
class Granted:
    """The slots an agent got: `first`, `first + period`, … in Unix seconds of Redis's clock."""

    agent: str
    first: float
    period: float
    count: int

    def slots(self) -> list[float]:
        """The instants themselves."""
        return [self.first + i * self.period for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class Text:
    """A text that needs a slot of its agent and room at its sender at the same instant."""

    agent: str
    account: str
    #: session starts per second
    rate: float
    #: None: only the agent's pace counts
    sender: str | None
    #: segments per second, together with `sender`
    limit: float | None
    segments: int
    #: False for a later part of a text: it needs no slot of its agent, only room at its sender
    starts: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer for one text: an instant in Unix seconds of Redis's clock."""

    #: True: the instant is its slot. False: its sender has room then, after the texts before it
    granted: bool
    at: float


def period(rate: float) -> float:
    """Seconds between two session starts of an agent of `rate` per second.

    It is longer than 1 / rate by the operator's margin, so that jitter on the path never puts
    rate + 1 starts into one second. The same holds for the segments of a sender.
    """
    return (1 + settings().pace_margin) / rate


class Throttle:
    """Calls the Lua scripts. All methods raise redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._reserve = redis.register_script((_HERE / "reserve.lua").read_text())
        self._slow = redis.register_script((_HERE / "slow.lua").read_text())
        self._later = redis.register_script((_HERE / "later.lua").read_text())

    def reserve(self, agent_id: str, rate: float, now: float | None = None) -> float:
        """Take the agent's next slot; returns the seconds to wait for it (0 means go).

        `rate` in session starts per second; `now` in Unix seconds, by default Redis TIME. Call it
        once for each start. The first call on an empty store may wait 1 s and a period.
        """
        moment = now if now is not None else self.now()
        want = Want(agent=agent_id, account="", rate=rate, slots=1)
        (granted,) = self.reserve_many([want], lead=0, ahead=1e9, spread=False, now=moment)
        return max(0.0, granted.first - moment)

    def reserve_many(
        self,
        wants: Sequence[Want],
        *,
        lead: float,
        ahead: float,
        spread: bool = True,
        now: float | None = None,
    ) -> list[Granted]:
        """Reserve slots for all of `wants`, none nearer than `lead` nor farther than `ahead`
        seconds.

        One round trip for each 2,000 agents. An agent with nothing granted has `count` 0.
        """
        granted: list[Granted] = []
        for start in range(0, len(wants), _CHUNK):
            chunk = wants[start : start + _CHUNK]
            arguments = _arguments(chunk, lead=lead, ahead=ahead, spread=spread, now=now)
            answer = self._reserve(keys=_KEYS, args=arguments)
            granted += [
                Granted(want.agent, float(first), float(between), int(count))
                for want, first, count, between in zip(
                    chunk, answer[::3], answer[1::3], answer[2::3], strict=True
                )
            ]
        return granted

    def reserve_texts(
        self,
        texts: Sequence[Text],
        *,
        lead: float,
        ahead: float,
        now: float | None = None,
    ) -> tuple[list[Turn], dict[str, float]]:
        """Give each text the later of its agent's next slot and its sender's, or none when that is
        more than `ahead` seconds away; also returns each agent's next free slot.

        A text of s segments takes s / limit seconds of its sender. No second of a sender contains
        more segments than its limit, unless one text alone is longer than that.
        """
        turns: list[Turn] = []
        free: dict[str, float] = {}
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            agents = {t.agent: Want(t.agent, t.account, t.rate, slots=0) for t in chunk}
            arguments = _arguments(list(agents.values()), lead=lead, ahead=ahead, now=now)
            places = {agent: nth for nth, agent in enumerate(agents, start=1)}
            for t in chunk:
                limit = "" if t.sender is None or t.limit is None else repr(t.limit)
                arguments += [places[t.agent], t.sender or "", limit, t.segments, int(t.starts)]
            answer = self._reserve(keys=_KEYS, args=arguments)
            mine = 3 * len(agents)
            free |= {agent: float(at) for agent, at in zip(agents, answer[:mine:3], strict=True)}
            pairs = zip(answer[mine::2], answer[mine + 1 :: 2], strict=True)
            turns += [Turn(bool(int(granted)), float(at)) for granted, at in pairs]
        return turns, free

    def delay(self, excess: Iterable[tuple[str, float]]) -> None:
        """Move the next slot of an agent, or of a sender ("sender:NUMBER"), by the seconds by which
        a start was written late.
        """
        agents: list[str] = []
        senders: list[str] = []
        for name, seconds in excess:
            told = senders if name.startswith(SENDER) else agents
            told += [name.removeprefix(SENDER), repr(seconds)]
        for key, pairs in ((_TAT, agents), (_SENT, senders)):
            if pairs:
                self._later(keys=[key], args=["add", *pairs])

    def no_start_before(self, scope: str, until: float) -> None:
        """No start in `scope` ("agent:ID" or "account:ID") before `until`, in Redis's Unix
        seconds.
        """
        self._later(keys=[_HOLD], args=["until", scope, repr(until)])

    def slow(self, scope: str) -> None:
        """Cut the rates in `scope` ("agent:ID" or "account:ID") after a 429. They recover slowly.
        Several of the same moment count as one.
        """
        self._slow(keys=[_PACE], args=[scope, SLOWER, LEAST, RECOVER, TOGETHER])

    def now(self) -> float:
        """Redis's clock in Unix seconds. All slots are instants of it."""
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6

    def forget_idle(self, *, older_than: float) -> int:
        """Drop slots and waits that ended `older_than` seconds ago; returns how many.

        Safe while others reserve: an entry that moved meanwhile stays, and a slot that old means
        the same as no slot.
        """
        limit = self.now() - older_than
        dropped = 0
        for key in (_TAT, _HOLD, _SENT):
            idle = [f for f, at in self._redis.hscan_iter(key) if float(at.split()[0]) < limit]
            for start in range(0, len(idle), _CHUNK):
                pairs = [x for field in idle[start : start + _CHUNK] for x in (field, repr(limit))]
                dropped += int(self._later(keys=[key], args=["drop", *pairs]))
        return dropped


def _arguments(
    wants: Sequence[Want], *, lead: float, ahead: float, now: float | None, spread: bool = True
) -> list[Any]:
    arguments: list[Any] = ["" if now is None else repr(now), lead, ahead, int(spread)]
    arguments += [RECOVER, period(1), len(wants)]
    for want in wants:
        arguments += [
            want.agent,
            want.account,
            repr(period(want.rate)),
            want.slots,
            repr(want.extra),
        ]
    return arguments
