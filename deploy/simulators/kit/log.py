"""The ground truth: every create as it arrived, and every callback as it was posted.

Each simulator has rows of its own: a NamedTuple for a create and one for a try to post a callback.
One million accepts fit in memory: rows are tuples whose strings are shared with the messages.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar


class Create(Protocol):
    """What the row of a create must have; the fields of a NamedTuple are more.

    `answer` is what the simulator set out to answer: an HTTP status, or a fault (faults.Answer).
    `accepted` says whether the message is on its way, whatever the client got to hear.
    """

    @property
    def answer(self) -> str: ...

    @property
    def accepted(self) -> bool: ...

    def _asdict(self) -> dict[str, Any]: ...


class Post(Protocol):
    """What the row of one try to post a callback must have.

    `answer` is an HTTP status, or why there was none (http_client.Failure).
    """

    @property
    def answer(self) -> str: ...

    def _asdict(self) -> dict[str, Any]: ...


CreateRow = TypeVar("CreateRow", bound=Create)
PostRow = TypeVar("PostRow", bound=Post)


class Log(Generic[CreateRow, PostRow]):
    """Creates and posts in the order in which they happened, numbered from 1."""

    def __init__(self) -> None:
        self.entries: list[CreateRow] = []
        self.posts: list[PostRow] = []

    def creates(self, after: int, limit: int) -> dict[str, Any]:
        """The creates numbered after+1 … after+limit, and `next`, to be passed as `after`."""
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


def _page(rows: Sequence[Create | Post], after: int, limit: int) -> dict[str, Any]:
    chosen = rows[after : after + limit]
    entries = [{"n": n, **_named(row)} for n, row in enumerate(chosen, after + 1)]
    return {"entries": entries, "next": after + len(chosen)}


def _named(row: Create | Post) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in row._asdict().items()}
