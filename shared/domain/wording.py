"""Freeze a text as it will be sent: its parts, its encoding, its billed segments. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.domain.segments import measure, split

#: A text of more parts than this is refused: it is too long for a text message.
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


class TooManyParts(Exception):
    """The text would go out in more than `MOST_PARTS` parts."""

    def __init__(self, parts: int) -> None:
        super().__init__(f"{parts} parts; {MOST_PARTS} are the most")
        self.parts = parts


def word(body: str, *, split_at: int, smart_encoded: bool = False) -> Wording:
    """The wording of `body` in parts of at most `split_at` UTF-16 units. Raises TooManyParts."""
    parts = split(body, limit=split_at) if len(body) * 2 > split_at else [body]
    if len(parts) > MOST_PARTS:
        raise TooManyParts(len(parts))
    measured = [measure(part, smart_encoding=smart_encoded) for part in parts]
    cuts, end = [], 0
    for part in parts[:-1]:
        end += len(part)
        cuts.append(end)
    encoding = "UCS-2" if any(m.encoding == "UCS-2" for m in measured) else "GSM-7"
    return Wording(body, cuts, encoding, sum(m.segments for m in measured))


def parts_of(body: str, cuts: Sequence[int]) -> list[str]:
    """The texts of all parts, in order; together they are the body."""
    return [part_of(body, cuts, part) for part in range(len(cuts) + 1)]


def part_of(body: str, cuts: Sequence[int], part: int) -> str:
    """The text of one part, counted from 0. `cuts` are in characters, as `Wording` has them."""
    start = cuts[part - 1] if part else 0
    return body[start : cuts[part]] if part < len(cuts) else body[start:]
