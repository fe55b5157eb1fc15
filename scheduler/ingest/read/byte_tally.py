"""What the bytes of a file say for and against each encoding, added up in one pass.

Statistics are asked only where UTF-8 is not the answer, and of a sample of the lines that hold
bytes beyond ASCII: they once called valid UTF-8 French "iso8859_10".
"""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from scheduler.ingest.read.double_encoding import TELLING, encoded_twice, may_be_encoded_twice
from scheduler.ingest.read.encoding_guess import SAMPLE, Guess, guessed, misread
from scheduler.ingest.read.warnings import Warnings
from shared.errors import Refused

#: Bytes of a file to be added at a time.
CHUNK: Final = 1024 * 1024
#: As few lines with odd bytes are damage, and cost their rows; or so small a share of all.
_FEW_LINES: Final = 10
_SMALL_SHARE: Final = 0.01
_EXAMPLES: Final = 3
_TWICE_KEPT: Final = 20
_SAMPLE_OF_UTF8: Final = 8 * 1024
_NEAR: Final = 4096


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to read a file. `name` is for people, `codec` for Python.

    `suspect`: some cell has undecodable bytes, control characters or U+FFFD, so rows need a look.
    """

    name: str
    codec: str
    suspect: bool


_CONTROLS: Final = bytes(sorted({*range(32), 127} - {9, 10, 13}))


_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_HIGH_CONTROL: Final = re.compile(b"\xc2[\x80-\x9f]")  # U+0080 to U+009F, in UTF-8
_BEYOND: Final = re.compile(rb"[\x80-\xff]")


def controls_in(chunk: bytes) -> int:
    return len(chunk) - len(chunk.translate(None, _CONTROLS))


class Tally:
    """What the bytes of a file say for and against each encoding."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._good = self._bad = self._size = 0
        self._marked: bool | None = None
        self._suspect = False
        self._lines: list[bytes] = []  # with bytes beyond ASCII
        self._held = 0
        self._twice: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """The next bytes, which end where a line does if lines end in a line feed."""
        if self._marked is None:
            self._marked = chunk.startswith(codecs.BOM_UTF8)
        if len(chunk) >= CHUNK and b"\n" not in chunk and b"\r" not in chunk:
            raise Refused("not_a_csv", "A line is longer than a megabyte: this is not a CSV file.")
        self._suspect = self._suspect or controls_in(chunk) > 0
        self._size += len(chunk)
        if not chunk.isascii() or self._utf8.getstate()[0]:
            self._weigh(self._utf8.decode(chunk))
            self._collect(chunk)

    def verdict(self, warnings: Warnings) -> Decoding:
        """The encoding. Raises Refused unclear_encoding."""
        self._weigh(self._utf8.decode(b"", final=True))
        if self._bad > self._good and not self._marked:
            guess = guessed(self._lines)
            if guess.sense and not guess.stray:
                _warn_of_guess(guess, warnings)
                return Decoding(guess.name, guess.codec, suspect=True)
            if not self._are_few():
                raise _unclear(guess)
        return Decoding("utf-8", "utf-8-sig", suspect=self._suspect or self._bad > 0)

    def warn_of_garbled(self, codec: str, warnings: Warnings) -> None:
        """Look for text that another program has read in a wrong encoding and written again."""
        lines = self._twice if codec == "utf-8-sig" else self._lines
        twice = encoded_twice(line.decode(codec, "replace") for line in lines)
        _warn_of_pairs(
            twice,
            warnings,
            code="encoded_twice",
            what="Some letters were encoded twice",
            why="the program that wrote it read UTF-8 as another encoding",
        )
        if codec == "utf-8-sig":
            _warn_of_pairs(
                misread(line.decode(codec, "replace") for line in self._lines),
                warnings,
                code="read_wrongly",
                what="Some letters were read in a wrong encoding before",
                why="the program that wrote it read it as windows-1252",
            )

    def _are_few(self) -> bool:
        """Whether lines with bytes beyond ASCII are so few that they are damage."""
        mean = (self._held + len(self._lines)) / max(1, len(self._lines))
        return len(self._lines) <= max(_FEW_LINES, self._size / mean * _SMALL_SHARE)

    def _weigh(self, text: str) -> None:
        utf8 = _encoded(text)
        bad = len(_UNDECODED.findall(text)) if utf8 is None else 0
        self._bad += bad
        self._good += len(text) - len(text.encode("ascii", "ignore")) - bad
        unreadable = utf8 is None or "\ufffd" in text or _HIGH_CONTROL.search(utf8)
        self._suspect = self._suspect or bool(unreadable)

    def _collect(self, chunk: bytes) -> None:
        """Keep lines with bytes beyond ASCII, and lines that may have been encoded twice."""
        at = 0
        most = SAMPLE if self._bad else _SAMPLE_OF_UTF8
        while self._held < most and (found := _BEYOND.search(chunk, at)):
            line, at = _line_around(chunk, found.start())
            self._lines.append(line[: most - self._held])
            self._held += len(line)
        if len(self._twice) >= _TWICE_KEPT or not may_be_encoded_twice(chunk):
            return
        at = 0
        while len(self._twice) < _TWICE_KEPT and (found := TELLING.search(chunk, at)):
            line, at = _line_around(chunk, found.start())
            self._twice.append(line)


def _line_around(chunk: bytes, at: int) -> tuple[bytes, int]:
    """The line that byte is in, or what of it is near, and where it ends."""
    least = max(0, at - _NEAR)
    start = 1 + max(chunk.rfind(b"\n", least, at), chunk.rfind(b"\r", least, at), least - 1)
    ends = (chunk.find(end, at, at + _NEAR) for end in (b"\n", b"\r"))
    end = min((end for end in ends if end >= 0), default=min(len(chunk), at + _NEAR))
    return chunk[start:end], end


def _warn_of_guess(guess: Guess, warnings: Warnings) -> None:
    fix = "If that is wrong, say the encoding (--encoding), or export the file as UTF-8."
    read = _quoted(guess.words)
    if guess.odd:
        warnings.add(
            "odd_letters",
            f"The file is read as {guess.name}, in which some words look wrong: "
            f"{_quoted(guess.odd)}. They are sent as they are.",
            fix=fix,
        )
    if guess.rival:
        warnings.add(
            "encoding_unsure",
            f"The file is read as {guess.name}, so it says {read}. As {guess.rival} it would say "
            f"{_quoted(guess.otherwise)}.",
            fix=fix,
        )
    elif guess.few and guess.codec != "cp1252":
        warnings.add(
            "encoding_unsure",
            f"The file is read as {guess.name}, for which only {read} speaks.",
            fix=fix,
        )


def _warn_of_pairs(
    pairs: Iterable[tuple[str, str]], warnings: Warnings, *, code: str, what: str, why: str
) -> None:
    """Warn of words that should probably be others."""
    some = list(islice(dict.fromkeys(pairs), _EXAMPLES))
    if some:
        read, meant = zip(*some, strict=True)
        warnings.add(
            code,
            f"{what}: {_quoted(read)} should probably be {_quoted(meant)}. They are sent as they "
            "are.",
            fix=f"Export the file again; {why}.",
        )


def _unclear(guess: Guess) -> Refused:
    return Refused(
        "unclear_encoding",
        f"Most letters beyond ASCII make no sense in any encoding: as {guess.name} they would be "
        f"{_quoted(guess.words)}. Export the file as UTF-8, or say its encoding (--encoding).",
        details={"examples": list(guess.words)},
    )


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)


def _encoded(text: str) -> bytes | None:
    """The text in UTF-8; None where bytes could not be decoded."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None
