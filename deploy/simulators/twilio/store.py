"""The carrier's own messages: found by SID, listed newest first."""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

Status = str  # Twilio's words: accepted, queued, sending, sent, delivered, …

WAITING = frozenset({"accepted", "queued", "scheduled"})
UNDER_WAY = WAITING | {"sending"}


@dataclass(slots=True)
class Media:
    """One file of a message. Times are Unix seconds."""

    sid: str
    url: str
    content_type: str
    created: float


@dataclass(slots=True)
class Feedback:
    """What was reported about a message's effect: confirmed or unconfirmed."""

    outcome: str
    created: float
    updated: float


class Message:
    """One message as Twilio would know it. Times are Unix seconds; `n` counts from 1 upwards."""

    __slots__ = (
        "account", "body", "callback", "created", "deleted", "direction", "error", "feedback",
        "listed", "media", "n", "segments", "sender", "sent", "service", "sid", "status",
        "to", "updated",
    )  # fmt: skip

    n: int

    def __init__(
        self, account: str, to: str, sender: str | None, *, body: str, at: float, mms: bool = False
    ) -> None:
        self.sid = ("MM" if mms else "SM") + os.urandom(16).hex()
        self.account = account
        self.to = to
        self.sender = sender
        self.body = body
        self.created = self.updated = at
        self.sent: float | None = None
        self.service: str | None = None
        self.callback: str | None = None
        self.direction = "outbound-api"
        self.status: Status = "queued"
        self.error: int | None = None
        self.segments = 1
        self.media: tuple[Media, ...] = ()
        self.feedback: Feedback | None = None
        self.listed = True
        self.deleted = False

    def becomes(self, status: Status, error: int | None, at: float) -> None:
        """The truth about the message moves on."""
        self.status, self.error, self.updated = status, error, at
        if status == "sent" or (self.sent is None and status in ("delivered", "undelivered")):
            self.sent = at


class Store:
    """All messages of all accounts, until the carrier is reset or ends."""

    def __init__(self) -> None:
        self._all: list[Message] = []
        self._by_sid: dict[str, Message] = {}
        self._by_to: dict[str, list[Message]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, message: Message) -> None:
        message.n = len(self._all) + 1
        self._all.append(message)
        self._by_sid[message.sid] = message
        self._by_to.setdefault(message.to, []).append(message)

    def find(self, account: str, sid: str) -> Message | None:
        """The account's message of this SID, unless it was deleted."""
        message = self._by_sid.get(sid)
        if message is None or message.account != account or message.deleted:
            return None
        return message

    def newest_first(self, to: str | None, before: str | None) -> Iterator[Message]:
        """Messages to one number or to all; with `before`, those older than that SID."""
        chosen = self._all if to is None else self._by_to.get(to, [])
        if before is None:
            return reversed(chosen)
        last = self._by_sid.get(before)
        if last is None:
            return iter(())
        older = bisect_left(chosen, last.n, key=lambda message: message.n)
        return islice(reversed(chosen), len(chosen) - older, None)

    def oldest_first(self, to: str | None, after: str) -> Iterator[Message]:
        """Messages younger than `after`, the SID of one; none if there is no such message."""
        chosen = self._all if to is None else self._by_to.get(to, [])
        first = self._by_sid.get(after)
        if first is None:
            return iter(())
        start = bisect_right(chosen, first.n, key=lambda message: message.n)
        return islice(chosen, start, None)

    def clear(self) -> None:
        self._all.clear()
        self._by_sid.clear()
        self._by_to.clear()
