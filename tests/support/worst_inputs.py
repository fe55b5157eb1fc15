"""Texts that make a regular expression work hardest, made from its own parse tree.

For every repeat that has no (or a high) upper bound: what must stand before it, what it repeats,
many times, and an end at which the match fails, so that the engine tries everything else first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, AnyStr, Final

from re import _constants as op  # isort: skip
from re import _parser as parser  # isort: skip

#: A repeat with a lower bound above this, or none, is one that an input can make long.
_HIGH: Final = 100
_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: "0",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: " ",
}
_ENDS: Final = ("", "\x00", "!")


@dataclass(frozen=True)
class Worst:
    """An input that grows: `before`, then `pump` again and again, then `end`."""

    before: str
    pump: str
    end: str

    def text(self, times: int) -> str:
        """The input with so many pumps."""
        return self.before + self.pump * times + self.end


def can_grow(pattern: "re.Pattern[AnyStr]") -> bool:
    """Whether any repeat of the pattern can be made long."""
    return any(True for _ in _repeats(_tree(pattern), ""))


def worst_inputs(pattern: "re.Pattern[AnyStr]") -> list[Worst]:
    """Candidates, most of them harmless. A bytes pattern's are in latin-1."""
    tree = _tree(pattern)
    letters: list[str] = list(dict.fromkeys(chain.from_iterable(_letters(tree))))[:12]
    found = []
    for before, body in _repeats(tree, ""):
        pumps = dict.fromkeys([_sample(body), *letters])
        ends = dict.fromkeys([*_ENDS, *letters[:4]])
        for start, pump, end in product(dict.fromkeys([before, ""]), filter(None, pumps), ends):
            found.append(Worst(start, pump, end))
    return list(dict.fromkeys(found))


def _tree(pattern: "re.Pattern[Any]") -> Any:
    flags = pattern.flags if isinstance(pattern.pattern, str) else pattern.flags & ~re.UNICODE
    return parser.parse(pattern.pattern, flags)


def _repeats(tree: Any, before: str) -> Iterator[tuple[str, Any]]:
    """Every repeat that can be made long: what stands before it, and what it repeats."""
    for kind, value in tree:
        if kind in _REPEATS:
            _, most, body = value
            if most > _HIGH:
                yield before, body
            yield from _repeats(body, before)
        for inner in _inside(kind, value):
            yield from _repeats(inner, before)
        before += _sample([(kind, value)])


def _inside(kind: Any, value: Any) -> list[Any]:
    """The trees within a node that is no repeat."""
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind is op.ATOMIC_GROUP:
        return [value]
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    if kind is op.GROUPREF_EXISTS:
        return [tree for tree in value[1:] if tree is not None]
    return []


def _sample(tree: Any) -> str:
    """A short text that the tree matches, look-arounds left aside."""
    return "".join(_sample_of(kind, value) for kind, value in tree)


def _sample_of(kind: Any, value: Any) -> str:
    if kind in (op.LITERAL, op.ANY, op.NOT_LITERAL):
        other = "b" if kind is op.NOT_LITERAL and value == ord("a") else "a"
        return chr(value) if kind is op.LITERAL else other
    if kind is op.IN:
        return _of_set(value)
    if kind in _REPEATS:
        return _sample(value[2]) * int(max(1, value[0]))
    if kind in (op.SUBPATTERN, op.ATOMIC_GROUP, op.BRANCH):
        return _sample(_inside(kind, value)[0])
    return ""


def _of_set(members: list[Any]) -> str:
    if members and members[0][0] is op.NEGATE:
        excluded = re.compile("|".join(map(re.escape, filter(None, map(_member, members[1:])))))
        candidates = map(chr, chain(range(97, 123), range(32, 97), range(0x100, 0x200)))
        return next((c for c in candidates if not excluded.fullmatch(c)), "é")
    return _member(members[0]) if members else ""


def _member(member: Any) -> str:
    kind, value = member
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.RANGE:
        return chr(value[0])
    return _CATEGORIES.get(value, "")


def _letters(tree: Any) -> Iterator[list[str]]:
    """Characters that the pattern speaks of."""
    for kind, value in tree:
        if kind is op.LITERAL:
            yield [chr(value)]
        elif kind is op.IN:
            yield [_member(member) for member in value[:6] if member[0] is not op.NEGATE]
        elif kind in _REPEATS:
            yield from _letters(value[2])
        for inner in _inside(kind, value):
            yield from _letters(inner)
