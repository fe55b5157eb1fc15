"""The status of a message of several parts, from the statuses of its parts. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.domain.message import RANK, WORST_FIRST, AttemptStatus, MessageStatus, may_become

#: Statuses from which the next part may be sent.
_GOES_ON = frozenset({MessageStatus.READY, MessageStatus.SENDING, MessageStatus.UNKNOWN})
_WENT = frozenset({AttemptStatus.ACCEPTED, AttemptStatus.SENT, AttemptStatus.DELIVERED})


class MessageState(NamedTuple):
    """The status of a message, and the index of its next part."""

    status: MessageStatus
    part: int


def state_of_message(
    status: str, *, part: int, parts: int, latest: Mapping[int, str]
) -> MessageState:
    """The state of a message of `parts` parts, given the status of each part's latest attempt.

    Parts go in order, each after the one before was accepted. A part that ended without delivery
    stops the later ones; a call under way is waited for. Once all parts have gone, the message has
    the status of its least advanced open part, and finally the worst end. It never moves back.
    """
    now = MessageStatus(status)
    while part < parts and latest.get(part) in _WENT:
        part += 1
    shown = _shown(now, part=part, parts=parts, latest=latest)
    return MessageState(shown if shown == now or may_become(now, shown) else now, part)


def _shown(
    now: MessageStatus, *, part: int, parts: int, latest: Mapping[int, str]
) -> MessageStatus:
    known = [AttemptStatus(latest[i]) for i in range(parts) if i in latest]
    ended_badly = [s for s in known if RANK[s] == 3 and s not in _WENT]
    if part < parts:
        under_way = now is MessageStatus.SENDING and latest.get(part) == AttemptStatus.SENDING
        if ended_badly and not under_way:
            return _worst([MessageStatus(s.value) for s in ended_badly])
        went_on = RANK[latest.get(part - 1, AttemptStatus.SENDING)] > 0 and part not in latest
        return MessageStatus.READY if went_on and now in _GOES_ON else now
    for waiting in (AttemptStatus.ACCEPTED, AttemptStatus.SENT):
        if waiting in known:
            return MessageStatus(waiting.value)
    return _worst([MessageStatus(s.value) for s in known])


def _worst(ends: list[MessageStatus]) -> MessageStatus:
    return min(ends, key=WORST_FIRST.index)
