"""The rows of the simulator's log, in Twilio's words."""

from typing import NamedTuple


class CreateEntry(NamedTuple):
    """One create. `at` is when its last byte was read, in Unix seconds, before any latency."""

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
    """One try to post a callback, begun at `at` (Unix seconds); it took `seconds`.

    `number` counts the tries for one callback from 1.
    """

    at: float
    sid: str
    status: str
    url: str
    number: int
    answer: str
    seconds: float
