"""Segments: texts divided as they are billed, against smsutil's split. The same pieces come out."""

import random
import time
from collections.abc import Callable, Sequence
from functools import reduce

import smsutil

from shared.domain.segments import billed
from tests.benchmarks.row import Row, faster

PLAIN = "Hello there, your table for two is booked on Monday at 7. Shall I keep it? "
EXTENSION = "€[]{}~^|\\"
EMOJI = "🎉🙂🚀"
LONGEST = 480


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Texts per second, plain and mixed."""
    count = 2_000 if quick else 10_000
    rows = []
    for name, texts, target in (
        ("segments, plain GSM-7", _plain(count), 10.0),
        ("segments, mixed", _mixed(count), 2.0),
    ):
        _same(texts)
        pairs = [(_rate(billed, texts), _rate(smsutil.split, texts)) for _ in range(rounds)]
        rows.append(faster(name, pairs, unit="texts/s", target=target, note="against smsutil"))
    return rows


def _same(texts: Sequence[str]) -> None:
    """Piece by piece; the whole-grapheme rule of Twilio's calculator does not show in these."""
    for text in texts:
        theirs = [part.content for part in smsutil.split(text).parts]
        if len(text.encode("utf-16-le")) == 2 * len(text):
            assert billed(text) == theirs, text
        else:  # a pair of surrogates is never cut by us; smsutil counts it the same way
            assert "".join(billed(text)) == "".join(theirs) == text


def _rate(split: Callable[[str], object], texts: Sequence[str]) -> float:
    began = time.perf_counter()
    for text in texts:
        split(text)
    return len(texts) / (time.perf_counter() - began)


def _plain(count: int) -> list[str]:
    chance = random.Random(1)
    return [(PLAIN * 7)[: chance.randrange(20, LONGEST)] for _ in range(count)]


def _mixed(count: int) -> list[str]:
    """Extension characters in 95 of 100 texts, an emoji in 10."""
    chance = random.Random(2)
    texts = []
    for text in _plain(count):
        extra = [EXTENSION] * (chance.randrange(1, 6) if chance.random() < 0.95 else 0)
        extra += [EMOJI] * (chance.random() < 0.10)
        texts.append(reduce(lambda so_far, chars: _put(so_far, chars, chance), extra, text))
    return texts


def _put(text: str, chars: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(chars) + text[at:]
