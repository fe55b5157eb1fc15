"""Freeze a text as it will be sent: its parts, its encoding, what it will be billed as. Pure."""

from typing import NamedTuple

from shared.domain.segments import measure, split

#: A text of more parts than this is refused: it is not a text message any more.
MOST_PARTS = 10


class Wording(NamedTuple):
    """The words of one message."""

    body: str
    #: where the body is cut into parts, in characters; empty for one part
    cuts: list[int]
    #: GSM-7, or UCS-2 as soon as one part needs it
    encoding: str
    #: billed segments over all parts
    segments: int


def word(body: str, *, split_at: int, smart_encoded: bool = False) -> Wording | None:
    """The wording of `body` in parts of at most `split_at` UTF-16 units; None when it is too
    long.
    """
    pieces = split(body, limit=split_at) if len(body) * 2 > split_at else [body]
    if len(pieces) > MOST_PARTS:
        return None
    measured = [measure(piece, smart_encoding=smart_encoded) for piece in pieces]
    cuts, end = [], 0
    for piece in pieces[:-1]:
        end += len(piece)
        cuts.append(end)
    encoding = "UCS-2" if any(m.encoding == "UCS-2" for m in measured) else "GSM-7"
    return Wording(body, cuts, encoding, sum(m.segments for m in measured))
