"""Which encoding a file is in that is not UTF-8: judged by its lines with bytes beyond ASCII.

Every candidate's reading of the words is weighed by how plausible it is as names and addresses
(`plausible`); charset-normalizer's opinion counts for something, since it knows texts. What another
reading would make nearly as likely is said; what no reading makes sense of is not guessed at.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from scheduler.ingest.read.alphabets import CANDIDATES, EAST_ASIAN, Candidate
from scheduler.ingest.read.plausible import IMPLAUSIBLE, Word, cost_of, judged

#: So much of a file's lines with bytes beyond ASCII is judged.
SAMPLE: Final = 64 * 1024
_WORDS: Final = 400
_SUGGESTED: Final = 2.0
_UNSURE: Final = 2.6
_FEW: Final = 3
#: What a stray byte costs that no encoding explains.
_STRAY: Final = 6.3
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Guess:
    """The encoding that fits best. `words` are as it reads them.

    `sense`: most letters beyond ASCII are plausible. `stray`: they are as likely damage. `rival` is
    the next best, if it is nearly as likely, and `otherwise` how it would read the same words.
    `odd` are words that make no sense in the best either.
    """

    codec: str
    name: str
    words: tuple[str, ...]
    sense: bool
    stray: bool
    few: bool
    odd: tuple[str, ...]
    rival: str | None
    otherwise: tuple[str, ...]


def guessed(lines: Sequence[bytes]) -> Guess:
    """The encoding of lines that are not UTF-8."""
    words = _words(lines)
    suggested = _suggestion(b"\n".join(lines))
    readings = [_Reading.of(candidate, words) for candidate in CANDIDATES]
    ranked = sorted(readings, key=lambda reading: reading.cost(suggested))
    best = ranked[0]
    rival = next(
        (
            other
            for other in ranked[1:]
            if other.words != best.words
            and other.makes_sense
            and other.cost(suggested) - best.cost(suggested) < _UNSURE
        ),
        None,
    )
    differ = [i for i, word in enumerate(best.words) if rival is None or word != rival.words[i]]
    beyond = sum(byte > 127 for word in words for byte in word)
    return Guess(
        best.candidate.codec,
        best.candidate.name,
        tuple(best.words[i] for i in differ[:_EXAMPLES]),
        sense=best.makes_sense,
        stray=best.cost(suggested) >= _STRAY * beyond,
        few=len(words) < _FEW,
        odd=tuple(islice(best.odd_words(), _EXAMPLES)),
        rival=rival.candidate.name if rival else None,
        otherwise=tuple(rival.words[i] for i in differ[:_EXAMPLES]) if rival else (),
    )


def misread(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Words that some program took for windows-1252, each with what it should be.

    Such a word makes no sense (`JosŽ`, `Èâàí`), and does in the encoding its bytes were in.
    """
    words = {word for line in lines for word in _LETTERS.findall(line) if not word.isascii()}
    odd = [word for word in sorted(words)[:_WORDS] if _is_odd_in_latin(word)]
    raw = [word.encode("cp1252") for word in odd]
    guess = guessed(raw) if raw else None
    if guess and guess.codec != "cp1252" and guess.sense and not guess.stray:
        for word, was in zip(odd, raw, strict=True):
            meant = was.decode(guess.codec, "replace")
            if not judged(meant, guess.codec).odd:
                yield word, meant


_LETTERS: Final = re.compile(r"[^\W\d_]{3,}")


def _is_odd_in_latin(word: str) -> bool:
    try:
        word.encode("cp1252")
    except UnicodeEncodeError:
        return False
    weighed = judged(word, "cp1252")
    return weighed.script == "latin" and (weighed.odd > 0 or weighed.base >= IMPLAUSIBLE)


# No encoding here has a byte below 0x40 as part of another character, but for digits.
_BETWEEN: Final = re.compile(rb"[\x00-\x26\x28-\x2c\x2f\x3a-\x3f]+")
_TRIM: Final = b"'-.@"


def _words(lines: Sequence[bytes]) -> list[bytes]:
    """The words with bytes beyond ASCII, each once."""
    found: dict[bytes, None] = {}
    for line in lines:
        for word in _BETWEEN.split(line):
            if not word.isascii():
                found[word.strip(_TRIM)] = None
        if len(found) >= _WORDS:
            break
    return list(found)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The words as one candidate reads them."""

    candidate: Candidate
    words: list[str]
    judged: list[Word]
    total: float

    @classmethod
    def of(cls, candidate: Candidate, words: Sequence[bytes]) -> "_Reading":
        read = [word.decode(candidate.codec, "replace") for word in words]
        weighed = [judged(piece, candidate.codec) for word in read for piece in _pieces(word)]
        return cls(candidate, read, weighed, cost_of(weighed))

    def cost(self, suggested: str | None) -> float:
        """What it would be a surprise of that size to find."""
        favour = _SUGGESTED if self.candidate.codec == suggested else 0.0
        return self.candidate.rarity + self.total - favour

    def odd_words(self) -> Iterator[str]:
        """The words with something implausible in them; a character that is rare is not."""
        for word in self.words:
            found = [judged(piece, self.candidate.codec) for piece in _pieces(word)]
            if any(piece.odd and piece.script not in EAST_ASIAN for piece in found):
                yield word

    @property
    def makes_sense(self) -> bool:
        """Whether most characters beyond ASCII are plausible."""
        letters = sum(word.letters for word in self.judged)
        return sum(word.odd for word in self.judged) * 2 < letters


def _pieces(word: str) -> Iterable[str]:
    return (piece for piece in re.split(r"[|\\{}_@-]", word) if not piece.isascii())


def _suggestion(sample: bytes) -> str | None:
    """The candidate that charset-normalizer would take, if it knows the language."""
    from charset_normalizer import from_bytes

    names = [candidate.codec for candidate in CANDIDATES]
    best = from_bytes(sample[:8192], cp_isolation=names, preemptive_behaviour=False).best()
    return best.encoding if best is not None and best.coherence > 0 else None
