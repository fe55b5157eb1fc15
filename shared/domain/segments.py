"""Count the segments of a text, and divide a long one into parts.

A *segment* is what is billed: 160 septets of GSM-7 or 70 UTF-16 units, or 153 and 67 when there are
several, since each then begins with a header of six octets. One character outside GSM-7 turns the
whole message into UCS-2. A *part* is one provider message of a text longer than a message may be.

The counts are those of Twilio's sms-segments-calculator 1.3.0, its oddities included: a grapheme
(a flag, a family, a letter with its accents) is never cut apart by a segment boundary, and so can
leave the end of a segment empty. On 240,060 random texts every count and every boundary was the
same. tests/shared/domain/make_golden.mjs repeats the comparison.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from shared.domain.graphemes import clusters
from shared.domain.gsm7 import BASIC, EXTENDED, FOREIGN, smart

__all__ = ["Encoding", "Measure", "billed", "measure", "smart", "split", "ucs2_characters"]

LONGEST_PART = 1600  # UTF-16 units; a longer one is refused


class Encoding(StrEnum):
    """The encoding of a text over the air."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Measure:
    """The cost of a text. `units`: septets (GSM-7) or UTF-16 units (UCS-2), without headers."""

    encoding: Encoding
    units: int
    segments: int


def measure(body: str, *, smart_encoding: bool = False) -> Measure:
    """The cost of `body`; with `smart_encoding`, after Twilio has simplified its characters.

    An empty body is one segment of no units.
    """
    if smart_encoding:
        body = smart(body)
    septets = _septets(body)
    if septets is None:
        return _measure_ucs2(body)
    if septets == len(body):
        return _measure_basic(septets)
    if septets <= _GSM7.alone:
        return Measure(Encoding.GSM7, septets, 1)
    return Measure(Encoding.GSM7, septets, sum(1 for _ in _gsm7_segments(body)))


def billed(body: str) -> list[str]:
    """The text of every billed segment, as many as `measure` counts. They join to the body.

    The first is empty when the body begins with a grapheme too large for any segment: Twilio's
    calculator counts that segment too.
    """
    septets = _septets(body)
    if septets is not None:
        return [body] if septets <= _GSM7.alone else list(_gsm7_segments(body))
    wire = body.encode("utf-16-le", "surrogatepass")
    ends = _ucs2_ends(body, len(wire) // 2)
    starts = [0, *ends[:-1]]
    return [
        wire[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")
        for start, end in zip(starts, ends, strict=True)
    ]


def ucs2_characters(body: str) -> list[str]:
    """The characters (whole graphemes) that force UCS-2, each once, in the order they appear."""
    if _septets(body) is not None:
        return []
    found: list[str] = []
    done = 0
    for start, end in clusters(body):
        found += FOREIGN.findall(body, done, start)
        found.append(body[start:end])
        done = end
    found += FOREIGN.findall(body, done)
    return list(dict.fromkeys(found))


def split(body: str, *, limit: int = LONGEST_PART) -> list[str]:
    """Divide `body` into parts of at most `limit` UTF-16 units, which join to the body.

    A part ends after white space if its last 400 units (half of a smaller limit) have any, and
    never inside a grapheme, nor between CR and LF. Only a grapheme larger than the limit is cut,
    between its code points (a code point of two units stays whole even when `limit` is 1). No part
    is empty, but an empty body is one empty part. Raises ValueError when `limit` is less than 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    if 2 * len(body) <= limit or _units(body) <= limit:
        return [body]
    inside = _joined(body)
    inside.update(found.start() + 1 for found in _CRLF.finditer(body))
    astral = _astral(body)
    parts = []
    start = 0
    while start < len(body):
        reach = _reach(start, limit, astral) if astral else start + limit
        end = _good_end(body, inside, start=start, reach=reach, stretch=min(400, limit // 2))
        parts.append(body[start:end])
        start = end
    return parts


@dataclass(frozen=True, slots=True)
class _Capacity:
    """Units in the only segment of a message, and in each of several."""

    alone: int
    joined: int


_GSM7 = _Capacity(alone=160, joined=153)
_UCS2 = _Capacity(alone=70, joined=67)

_ESCAPE = "\x1b"
_BASIC_ASCII = "".join(filter(str.isascii, BASIC)).encode()
_EXTENDED_ASCII = "".join(filter(str.isascii, EXTENDED)).encode()
_EXTENDED = re.compile(f"[{re.escape(EXTENDED)}]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_CRLF = re.compile("\r\n")
_TO_A_SPACE = re.compile(r".*[^\S\xa0\u2007\u202f]", re.DOTALL)  # those three forbid a break


def _septets(body: str) -> int | None:
    """The length of `body` in GSM-7; None if GSM-7 cannot write it."""
    if body.isascii():
        rest = body.encode().translate(None, _BASIC_ASCII)
        if rest and rest.translate(None, _EXTENDED_ASCII):
            return None
        return len(body) + len(rest)
    if FOREIGN.search(body):
        return None
    return len(body) + len(_EXTENDED.findall(body))


@lru_cache(maxsize=2048)  # lengths repeat; a Measure is frozen and may be shared
def _measure_basic(septets: int) -> Measure:
    """The cost of a GSM-7 text without extension characters: nothing can straddle a boundary."""
    segments = 1 if septets <= _GSM7.alone else -(-septets // _GSM7.joined)
    return Measure(Encoding.GSM7, septets, segments)


def _gsm7_segments(body: str) -> Iterator[str]:
    """The segments of a GSM-7 text longer than one. No escape is parted from its character."""
    for char in EXTENDED:
        body = body.replace(char, _ESCAPE + char)
    start = 0
    while start < len(body):
        end = start + _GSM7.joined
        if body[end - 1 : end] == _ESCAPE:
            end -= 1
        yield body[start:end].replace(_ESCAPE, "")
        start = end


def _measure_ucs2(body: str) -> Measure:
    units = _units(body)
    if units <= _UCS2.alone:
        return Measure(Encoding.UCS2, units, 1)
    return Measure(Encoding.UCS2, units, len(_ucs2_ends(body, units)))


def _ucs2_ends(body: str, units: int) -> list[int]:
    """Where each UCS-2 segment of `body` ends, in UTF-16 units.

    Twilio's calculator fills a first segment of 70 units. When that overflows it makes room for the
    header: it moves the excess and the overflowing grapheme to the second segment, without a check
    that both fit. So a second segment may exceed 67.
    """
    if units <= _UCS2.alone:
        return [units]
    inside = _inside(body)
    first = _floor(_UCS2.joined, inside)
    overflow = _ceiling(_floor(_UCS2.alone, inside) + 1, inside)
    ends = [first, max(overflow, _floor(first + _UCS2.joined, inside))]
    while ends[-1] < units:
        end = _floor(ends[-1] + _UCS2.joined, inside)
        # A grapheme larger than any segment gets one of its own.
        ends.append(end if end > ends[-1] else _ceiling(end + 1, inside))
    ends[-1] = units
    return ends


def _inside(body: str) -> set[int]:
    """The offsets in UTF-16 units at which `body` must not be cut: inside a grapheme."""
    joined = _joined(body)
    astral = _astral(body)
    if not astral:
        return joined
    inside = {at + count for count, at in enumerate(astral, 1)}  # between a pair's two surrogates
    inside.update([at + bisect_left(astral, at) for at in joined])
    return inside


def _joined(body: str) -> set[int]:
    """The positions of the code points that belong to the grapheme before them. No CR LF here."""
    if body.isascii():
        return set()
    return {at for start, end in clusters(body) for at in range(start + 1, end)}


def _floor(offset: int, inside: set[int]) -> int:
    while offset in inside:
        offset -= 1
    return offset


def _ceiling(offset: int, inside: set[int]) -> int:
    while offset in inside:
        offset += 1
    return offset


def _units(body: str) -> int:
    """The length of `body` in UTF-16 units. A lone surrogate, which no valid text has, is one."""
    return len(body.encode("utf-16-le", "surrogatepass")) // 2


def _astral(body: str) -> list[int]:
    """The positions of the code points that take two UTF-16 units."""
    return [] if body.isascii() else [found.start() for found in _ASTRAL.finditer(body)]


def _reach(start: int, limit: int, astral: list[int]) -> int:
    """The position after `limit` UTF-16 units from `start`; at least one code point."""
    before = bisect_left(astral, start)
    positions = range(start, start + limit + 1)
    fitting = bisect_right(
        positions, limit, key=lambda at: at - start + bisect_left(astral, at) - before
    )
    return start + max(fitting - 1, 1)


def _good_end(body: str, inside: set[int], *, start: int, reach: int, stretch: int) -> int:
    """The best place to end a part that begins at `start` and may go as far as `reach`."""
    if reach >= len(body):
        return len(body)
    furthest = _floor(reach, inside)
    if furthest <= start:
        return reach  # one grapheme larger than the limit
    earliest = max(start, furthest - stretch)
    found = _TO_A_SPACE.match(body, earliest, furthest)
    while found and found.end() in inside:
        found = _TO_A_SPACE.match(body, earliest, found.end() - 1)
    return found.end() if found else furthest
