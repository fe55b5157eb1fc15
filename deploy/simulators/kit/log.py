"""The ground truth: every create as it arrived, and every callback as it was posted.

One million accepts fit in memory: entries are tuples whose strings are shared with the messages.
"""

from collections import Counter
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One create. `at` is when its last byte was read, in Unix seconds, before any latency.

    `answer` is what the carrier set out to answer: an HTTP status, or a fault (faults.Answer).
    """

    at: float
    sid: str | None
    account_sid: str
    to: str
    from_: str | None
    messaging_service_sid: str | None
    body: str
    status_callback: str | None
    answer: str
    code: int | None
    accepted: bool


class Post(NamedTuple):
    """One try to post a callback. `answer` is an HTTP status, or why there was none."""

    at: float
    sid: str
    status: str
    url: str
    number: int
    answer: str
    seconds: float


class Log:
    """Entries and posts in the order in which they happened, numbered from 1."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.posts: list[Post] = []

    def creates(self, after: int, limit: int) -> dict[str, Any]:
        """The entries numbered after+1 … after+limit, and `next`, to be passed as `after`."""
        return _page(self.entries, after, limit)

    def callbacks(self, after: int, limit: int) -> dict[str, Any]:
        """The same for the tries to post callbacks."""
        return _page(self.posts, after, limit)

    def totals(self) -> dict[str, Any]:
        """What happened so far, counted."""
        return {
            "creates": len(self.entries),
            "accepted": sum(1 for entry in self.entries if entry.accepted),
            "answers": Counter(entry.answer for entry in self.entries),
            "posts": len(self.posts),
            "post_answers": Counter(post.answer for post in self.posts),
        }

    def clear(self) -> None:
        self.entries.clear()
        self.posts.clear()


def _page(rows: list[Any], after: int, limit: int) -> dict[str, Any]:
    chosen = rows[after : after + limit]
    entries = [{"n": n, **_named(row)} for n, row in enumerate(chosen, after + 1)]
    return {"entries": entries, "next": after + len(chosen)}


def _named(row: Any) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in row._asdict().items()}
