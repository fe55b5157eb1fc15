"""The messages of one sending process, in the order of their slots. Plain heaps, one thread."""

import heapq
import itertools
import math
from dataclasses import dataclass, field
from typing import TypeVar

from shared.ledger.claim import Claimed

T = TypeVar("T")


@dataclass(slots=True)
class Due:
    """A hinted message that is not claimed yet."""

    slot: float
    message_id: int
    #: the `due_at` its hint wrote, in microseconds
    due: int


@dataclass(slots=True)
class Loaded:
    """A claimed message that waits for its slot. `slot` is None for a part that follows another."""

    claimed: Claimed
    #: monotonic seconds, taken before the claim was asked for
    claimed_at: float
    slot: float | None
    #: how many slots it has missed
    misses: int = 0
    #: it missed its last slot for want of a connection or of a good clock, not of speed
    unready: bool = False


@dataclass(slots=True)
class Slots:
    """Two heaps by slot: to be claimed, and to be sent."""

    _due: list[tuple[float, int, Due]] = field(default_factory=list)
    _loaded: list[tuple[float, int, Loaded]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def hinted(self, due: Due) -> None:
        """Add a hint that arrived."""
        heapq.heappush(self._due, (due.slot, next(self._order), due))

    def load(self, loaded: Loaded) -> None:
        """Add a message that was claimed or got another slot."""
        slot = loaded.slot if loaded.slot is not None else 0.0
        heapq.heappush(self._loaded, (slot, next(self._order), loaded))

    def to_claim(self, before: float, most: int) -> list[Due]:
        """Take the hints whose slots come before that instant."""
        return [item for _, _, item in _pop(self._due, before, most)]

    def to_send(self, before: float) -> list[Loaded]:
        """Take the claimed messages whose slots have come."""
        return [item for _, _, item in _pop(self._loaded, before, len(self._loaded))]

    def take_all(self) -> tuple[list[Due], list[Loaded]]:
        """Take everything, when the worker stops."""
        due = [item for _, _, item in self._due]
        loaded = [item for _, _, item in self._loaded]
        self._due.clear()
        self._loaded.clear()
        return due, loaded

    def __len__(self) -> int:
        return len(self._due) + len(self._loaded)

    @property
    def next_slot(self) -> float:
        """When the next claimed message is to be sent; infinite when there is none."""
        return self._loaded[0][0] if self._loaded else math.inf

    @property
    def unclaimed(self) -> int:
        """How many hints wait to be claimed."""
        return len(self._due)


def _pop(heap: list[tuple[float, int, T]], before: float, most: int) -> list[tuple[float, int, T]]:
    taken: list[tuple[float, int, T]] = []
    while heap and heap[0][0] <= before and len(taken) < most:
        taken.append(heapq.heappop(heap))
    return taken
