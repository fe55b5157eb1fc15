"""The promise as functions: each returns what breaks it, in words; nothing when it holds.

The carrier's own log is the ground truth; Postgres is what we believe; the two must agree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deploy.demo import proof
from shared.domain.message import MessageStatus, may_become

#: Statuses of the ends at which nothing may be pending any more.
_OPEN: Final = frozenset({"draft", "planned", "ready", "sending"})
_WENT: Final = frozenset({"accepted", "sent", "delivered", "undelivered"})
#: Moves that end a message: each happens once.
_ENDS: Final = frozenset({"delivered", "undelivered"})


@dataclass(frozen=True)
class Truth:
    """What happened, from all who saw it."""

    #: every create of these campaigns that reached the carrier, in order of arrival
    log: Sequence[proof.CreateCall]
    #: every message as the API shows it
    messages: Sequence[Mapping[str, Any]]
    #: every attempt as the ledger has it
    attempts: Sequence[Mapping[str, Any]]
    #: every change of a message's status: (message id, from, to), in order
    moves: Sequence[tuple[int, str, str]]
    #: every change of a SID that was already known
    rebound: Sequence[tuple[Any, ...]]
    #: the numbers of all accepted rows
    phones: Sequence[str]
    #: sender → rate of the agent whose only sender it is
    rates: Mapping[str, float]

    @property
    def statuses(self) -> Counter[str]:
        """Messages by status."""
        return Counter(message["status"] for message in self.messages)


def lost(truth: Truth) -> list[str]:
    """I1: every accepted row was called, and what we say about it agrees with the carrier."""
    stopped = {m["to"] for m in truth.messages if m["status"] not in _WENT}
    called = proof.never_called(truth.log, [p for p in truth.phones if p not in stopped])
    return [
        *(f"message {m} is not where it says" for m in proof.lost(truth.log, truth.messages)),
        *(f"{_hidden(phone)} was never called" for phone in called),
    ]


def twice(truth: Truth) -> list[str]:
    """I2: the carrier accepted no part of a message twice, and no number got two texts."""
    heard = Counter(entry.to for entry in truth.log if entry.accepted and entry.part == 0)
    return [
        *(f"part {part} of message {m} went twice" for m, part in proof.twice(truth.log)),
        *(f"{_hidden(to)} was texted {n} times" for to, n in heard.items() if n > 1),
    ]


def regressions(truth: Truth) -> list[str]:
    """I3: every change of status is one the table allows, and a receipt's end comes once."""
    ends = Counter(message_id for message_id, _, new in truth.moves if new in _ENDS)
    return [
        *(f"message {m}: {old} → {new}" for m, old, new in truth.moves if not may_become(old, new)),
        *(f"message {m} ended {n} times" for m, n in ends.items() if n > 1),
    ]


def misbound(truth: Truth) -> list[str]:
    """I4: every SID the carrier gave belongs to the very attempt whose token it was created with.

    Also the other way round: no attempt has a SID that the carrier did not give for its message.
    A SID nobody knows is all right only while its message says `unknown`.
    """
    given = {entry.sid: (entry.message_id, entry.part) for entry in truth.log if entry.accepted}
    ours = {a["sid"]: (a["message_id"], a["part"]) for a in truth.attempts if a["sid"]}
    unknown = {int(m["id"]) for m in truth.messages if m["status"] == MessageStatus.UNKNOWN}
    strays = [sid for sid in given.keys() - ours.keys() if given[sid][0] not in unknown]
    return [
        *(f"nobody knows {sid} of message {given[sid][0]}" for sid in strays),
        *(f"{sid} was never given" for sid in ours.keys() - given.keys()),
        *(
            f"{sid} is bound to {ours[sid]}"
            for sid in ours
            if given.get(sid, ours[sid]) != ours[sid]
        ),
        *(f"attempt {key[:3]} changed its SID" for key in truth.rebound),
    ]


def too_fast(truth: Truth) -> list[str]:
    """I5: no agent started more than its rate in any 0.97 s of arrivals at the carrier."""
    found = proof.rate_violations(truth.log, truth.rates)
    return [f"{sender}: one too many in {span:.3f} s" for sender, span in found]


def after_stop(truth: Truth, stopped: Iterable[str], *, at: float, grace: float) -> list[str]:
    """I6: no call to these numbers arrived later than `grace` seconds after the answer to the stop.

    `at` is when the pause, cancel, suppression or stop of all sending was answered (Unix seconds).
    """
    numbers = set(stopped)
    late = [entry for entry in truth.log if entry.to in numbers and entry.at > at + grace]
    return [
        f"{_hidden(entry.to)} was called {entry.at - at:.2f} s after the stop" for entry in late
    ]


def unsettled(truth: Truth) -> list[str]:
    """I7: everybody has an end, and `unknown` is said only where nothing could decide."""
    opened = [
        m for m in truth.messages if m["status"] in _OPEN or m["status"] in {"accepted", "sent"}
    ]
    return [f"message {m['id']} is still {m['status']}" for m in opened]


def unknown_without_reason(truth: Truth, *, doubt: float, verdict: float) -> list[str]:
    """I7: a message may only end `unknown` when there was neither callback, listing nor witness.

    `doubt` is FENCE + the read time-out, `verdict` the last of RECONCILE_CHECKS, in seconds after
    the claim. Not for a carrier that neither calls back nor lists in time: there all may be parked.
    """
    claimed = {int(a["message_id"]): a["claimed_at"] for a in _by_claim(truth.attempts)}
    went = {entry.message_id for entry in truth.log if entry.accepted}
    arrivals = [entry.at for entry in truth.log if entry.accepted]
    found = []
    for message in truth.messages:
        if message["status"] != MessageStatus.UNKNOWN:
            continue
        key = int(message["id"])
        at = claimed[key].timestamp()
        # An arrival needs a moment to be recorded and listed before it can bear witness.
        witnessed = any(at + doubt + 1 < one < at + verdict - 1 for one in arrivals)
        if key in went or witnessed:
            found.append(f"message {key} is unknown, and it could have been known")
    return found


def unconserved(truth: Truth) -> list[str]:
    """I8: as many messages as accepted rows, one for each number."""
    have = Counter(message["to"] for message in truth.messages)
    return [
        *(f"{_hidden(phone)} has no message" for phone in truth.phones if not have[phone]),
        *(f"{_hidden(to)} has {n} messages" for to, n in have.items() if n > 1),
    ]


def leaks(canaries: Iterable[str], *, redis: Any, files: Iterable[Path]) -> list[str]:
    """I9: no number and no word of a body is in Redis, in what Redis wrote to disk, or in a log."""
    secret = [canary.encode() for canary in canaries]
    places = {f"redis:{key!r}": value for key, value in _everything_in(redis)}
    places |= {path.name: path.read_bytes() for path in files if path.is_file()}
    return [
        f"{place} holds {canary[:2]!r}…"
        for place, content in places.items()
        for canary in secret
        if canary in content
    ]


def grows(samples: Mapping[int, Sequence[int]], *, most: float, allowance: int) -> list[str]:
    """I10: no process holds much more memory in the second half of a run than in the first.

    `samples` maps a pid to its resident bytes over time. Compared are the medians of the second and
    the last quarter, so that what is loaded at the start does not count.
    """
    found = []
    for pid, sizes in samples.items():
        quarter = len(sizes) // 4
        if quarter < 2:
            continue
        early, late = _median(sizes[quarter : 2 * quarter]), _median(sizes[-quarter:])
        if late > early * most + allowance:
            found.append(f"pid {pid} grew from {early} to {late} bytes")
    return found


#: What must hold after any fault whatsoever.
ALWAYS: Final = (lost, twice, regressions, misbound, too_fast, unsettled, unconserved)


#: Every truth that was judged in this process, in order: what the short table is made of.
JUDGED: list[Truth] = []


def broken(truth: Truth, *, but: Iterable[Any] = ()) -> dict[str, list[str]]:
    """Which of the invariants that always hold do not, and how; empty when all is well."""
    JUDGED.append(truth)
    skipped = set(but)
    found = {rule.__name__: rule(truth) for rule in ALWAYS if rule not in skipped}
    return {name: wrong[:10] for name, wrong in found.items() if wrong}


def _by_claim(attempts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    def when(attempt: Mapping[str, Any]) -> datetime:
        claimed_at: datetime = attempt["claimed_at"]
        return claimed_at

    return sorted(attempts, key=when)


def _everything_in(redis: Any) -> list[tuple[bytes, bytes]]:
    found: dict[bytes, bytes] = defaultdict(bytes)
    for key in redis.scan_iter():
        kind = redis.type(key)
        if kind == b"string":
            found[key] = bytes(redis.get(key) or b"")
        elif kind == b"list":
            found[key] = b"\n".join(redis.lrange(key, 0, -1))
        elif kind == b"hash":
            found[key] = b"\n".join(x for pair in redis.hgetall(key).items() for x in pair)
        elif kind == b"zset":
            found[key] = b"\n".join(redis.zrange(key, 0, -1))
        elif kind == b"set":
            found[key] = b"\n".join(redis.smembers(key))
    return list(found.items())


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def _hidden(number: str) -> str:
    return f"…{number[-4:]}"
