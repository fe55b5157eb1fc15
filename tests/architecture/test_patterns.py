"""No input can hold the interpreter: every regular expression of ours is linear in its input.

The patterns are collected here, not listed, and the worst input of each is made from its own parse
tree. Time is compared with time of the same pattern in the same moment, never with a clock's.
"""

import re
import time
from collections import deque
from typing import Any

import pytest

from tests.support import sources
from tests.support.patterns import collected
from tests.support.worst_inputs import Worst, can_grow, worst_inputs

#: How much more time ten times the input may take.
_MOST = 15
_SHORT, _LONG = 2_000, 20_000

#: Patterns whose worst input cannot be made from the tree, with one made by hand.
_BY_HAND: dict[str, Worst] = {}

_FOUND = collected()
_GROWING = sorted(filter(can_grow, _FOUND.uses), key=lambda pattern: repr(pattern.pattern))


def _run(pattern: Any, how: Any, text: Any) -> Any:
    if how in ("sub", "subn"):
        replacement = b"" if isinstance(text, bytes) else ""
        return lambda: getattr(pattern, how)(replacement, text)
    if how == "finditer":
        return lambda: deque(pattern.finditer(text), maxlen=0)
    return lambda: getattr(pattern, how)(text)


def _text(pattern: Any, worst: Any, times: Any) -> Any:
    text = worst.text(times)
    return text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text


def _seconds(run: Any, tries: Any) -> Any:
    best = float("inf")
    for _ in range(tries):
        start = time.thread_time()  # a neighbour on the machine costs time, but not ours
        run()
        best = min(best, time.thread_time() - start)
    return best


def _growth(pattern: Any, how: Any, worst: Any) -> Any:
    """How many times longer ten times the input takes."""

    def seconds(times: Any, tries: Any) -> Any:
        return _seconds(_run(pattern, how, _text(pattern, worst, times)), tries)

    # Short inputs first: what is steep already would take minutes, or for ever, on long ones.
    for short, long, steep in ((8, 16, 60), (20, 200, 60), (200, 2000, 60)):
        few, many = seconds(short, 3), seconds(long, 3)
        if many > steep * few and many > 50e-6:
            return many / few
    ratio = seconds(_LONG, 1) / seconds(_SHORT, 2)
    for _ in range(10):
        if ratio <= _MOST:
            return ratio
        ratio = min(ratio, seconds(_LONG, 3) / seconds(_SHORT, 3))
    return ratio


def test_every_pattern_is_known() -> None:
    assert not _FOUND.unknown
    assert len(_FOUND.uses) > 40  # the collector itself works


@pytest.mark.parametrize("pattern", _GROWING, ids=lambda p: repr(p.pattern)[:60])
def test_ten_times_the_input_takes_at_most_fifteen_times_as_long(pattern: Any) -> None:
    given = _BY_HAND.get(str(pattern.pattern))
    steep, grew = [], False
    for worst in [given] if given else worst_inputs(pattern):
        for how in sorted(_FOUND.uses[pattern]):
            growth = _growth(pattern, how, worst)
            grew = grew or growth > 3
            if growth > _MOST:
                steep.append(f"{how} on {worst} grew {growth:.0f} times")
                break
        if steep:
            break

    assert not steep
    assert grew, "no input makes it work: give one by hand in _BY_HAND"


@pytest.mark.parametrize(
    ("pattern", "how"),
    [(r"\s*,\s*|\s+(?=\+)", "split"), (r"(a+)+b", "match"), (r"x*x*y", "fullmatch")],
)
def test_the_measure_finds_patterns_that_are_not_linear(pattern: Any, how: Any) -> None:
    compiled = re.compile(pattern)

    assert any(_growth(compiled, how, worst) > _MOST for worst in worst_inputs(compiled))


#: A group that repeats, possessively: up to Python 3.11.4 (Debian 12 has 3.11.2) it matches wrongly
#: if there is a repetition within it (CPython issue 106052).
_POSSESSIVE = re.compile(r"\(\?:((?:[^()]|\([^()]*\))*)\)[*+?]\+")


def _broken_in_old_pythons(source: str) -> list[str]:
    return [body for body in _POSSESSIVE.findall(source) if re.search(r"[*+}]", body)]


def test_no_possessive_group_has_a_repetition_within_it() -> None:
    written = {sources.name(path): path.read_text() for path in sources.modules()}

    found = {name: bad for name, text in written.items() if (bad := _broken_in_old_pythons(text))}
    assert found == {}
    assert _broken_in_old_pythons(r'"(?:,(?!")[^,\r\n]*+)*+(?:(,")|\Z)') != []
    assert _broken_in_old_pythons('(?:[^"]|"")*+') == []
