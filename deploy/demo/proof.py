"""The proof, from the carrier's own log: no recipient lost or texted twice, no agent too fast.

The log is the ground truth: it is independent of our database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

#: More than N session starts of an agent of rate N in so many seconds of arrivals violate its rate
#: (30 ms of the second belong to the carrier's clock).
WINDOW = 0.97


class CreateCall(NamedTuple):
    """One create that reached the carrier."""

    at: float
    to: str
    sender: str | None
    accepted: bool
    message_id: int
    part: int
    sid: str | None


def read(entries: Iterable[Mapping[str, Any]]) -> list[CreateCall]:
    """The carrier's log entries, with the message and part that their StatusCallback names."""
    read_ones = []
    for entry in entries:
        query = parse_qs(urlsplit(entry["status_callback"] or "").query)
        message_id, part = int(query.get("m", ["0"])[0]), int(query.get("p", ["0"])[0])
        read_ones.append(
            CreateCall(
                entry["at"],
                entry["to"],
                entry["from"],
                entry["accepted"],
                message_id,
                part,
                entry["sid"],
            )
        )
    return read_ones


def twice(log: Sequence[CreateCall]) -> list[tuple[int, int]]:
    """(message, part) pairs that the carrier accepted more than once."""
    accepted: dict[tuple[int, int], int] = defaultdict(int)
    for entry in log:
        if entry.accepted:
            accepted[entry.message_id, entry.part] += 1
    return sorted(key for key, times in accepted.items() if times > 1)


def lost(log: Sequence[CreateCall], messages: Iterable[Mapping[str, Any]]) -> list[int]:
    """Messages with a status that the carrier's log contradicts.

    Each of `messages` is one of the API's: a message that is accepted, sent, delivered or
    undelivered must have been accepted in all its parts; one that is still open has no end at all.
    """
    went: dict[int, set[int]] = defaultdict(set)
    for entry in log:
        if entry.accepted:
            went[entry.message_id].add(entry.part)
    missing = []
    for message in messages:
        status = message["status"]
        if status in {"draft", "planned", "ready", "sending"} or (
            status in {"accepted", "sent", "delivered", "undelivered"}
            and went[int(message["id"])] != {part["index"] for part in message["parts"]}
        ):
            missing.append(int(message["id"]))
    return missing


def never_called(log: Sequence[CreateCall], phones: Iterable[str]) -> list[str]:
    """Numbers of accepted rows for which no call ever reached the carrier."""
    called = {entry.to for entry in log}
    return [phone for phone in phones if phone not in called]


def rate_violations(
    log: Sequence[CreateCall], rates: Mapping[str, float]
) -> list[tuple[str, float]]:
    """(sender, seconds that N + 1 starts took) wherever that is less than WINDOW.

    `rates` maps each agent's only sender to the agent's rate. A start is a message's first part;
    calls that were refused count too, for they reached the carrier.
    """
    starts: dict[str, list[float]] = defaultdict(list)
    for entry in log:
        if entry.part == 0 and entry.sender is not None and entry.sender in rates:
            starts[entry.sender].append(entry.at)
    found = []
    for sender, instants in starts.items():
        instants.sort()
        n = int(rates[sender])
        for first, last in zip(instants, instants[n:], strict=False):
            if last - first < WINDOW:
                found.append((sender, last - first))
    return found
