"""What can go wrong between a simulator and its client, and with which chance."""

import random
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from deploy.simulators.kit.http_server import Request

DRIBBLE_SECONDS: Final = 0.25  # between two bytes of a slow-loris answer


class Answer(StrEnum):
    """How a create is answered. Those called `after` have accepted the message first."""

    CREATED = "201"
    THROTTLED = "429"
    ERROR_BEFORE = "500_before"
    ERROR_AFTER = "500_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    TRUNCATED = "truncated"
    SLOW_LORIS = "slow_loris"

    @property
    def accepts(self) -> bool:
        """Whether the message is on its way, whatever the client gets to hear."""
        return self in ACCEPTING

    @property
    def hangs(self) -> bool:
        """Whether no answer ever comes. Such a request is to be given up at once, not later."""
        return self in (Answer.HANG_BEFORE, Answer.HANG_AFTER)


ACCEPTING = frozenset(
    {Answer.CREATED, Answer.ERROR_AFTER, Answer.RESET_AFTER, Answer.HANG_AFTER}
    | {Answer.TRUNCATED, Answer.SLOW_LORIS}
)


class Posts(StrEnum):
    """How the callbacks of one message go out."""

    IN_ORDER = "in_order"
    DROP = "drop"
    TWICE = "twice"
    THRICE = "thrice"
    REVERSE = "reverse"
    EARLY = "early"
    SENT_ONLY = "sent_only"
    REPLAY = "replay"
    FORGED = "forged"
    WRONG_ACCOUNT = "wrong_account"


Choice = TypeVar("Choice", bound=StrEnum)


def draw(chance: random.Random, rates: Mapping[Choice, float], otherwise: Choice) -> Choice:
    """One of the faults, each with its rate (0 to 1), or else `otherwise`."""
    if not rates:
        return otherwise
    point = chance.random()
    for fault, rate in rates.items():
        point -= rate
        if point < 0:
            return fault
    return otherwise


def give(
    request: Request, how: Answer, status: int, payload: bytes, *, refuse: Callable[[int], None]
) -> None:
    """Answer a create, well or badly. `status` and `payload` are the answer that it deserves.

    `refuse` gives the provider's own error for an HTTP status: 429 or 500.
    """
    if how is Answer.CREATED:
        request.answer(status, payload)
    elif how in (Answer.ERROR_BEFORE, Answer.ERROR_AFTER):
        refuse(500)
    elif how is Answer.THROTTLED:
        refuse(429)
    elif how is Answer.TRUNCATED:
        request.truncate(status, payload)
    elif how is Answer.SLOW_LORIS:
        request.dribble(status, payload, every=DRIBBLE_SECONDS)
    elif how.hangs:
        request.hang()
    else:
        request.reset()
