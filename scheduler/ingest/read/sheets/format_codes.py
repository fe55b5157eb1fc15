"""A number format's code, such as `#,##0.00;[Red](0)`, as sections of tokens.

ECMA-376, part 1, 18.8.31.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, NamedTuple

#: Longer codes come from no spreadsheet program.
LONGEST: Final = 255


class Kind(Enum):
    """What a token stands for."""

    LITERAL = auto()
    DIGIT = auto()
    POINT = auto()
    COMMA = auto()
    PERCENT = auto()
    EXPONENT = auto()
    SLASH = auto()
    TEXT = auto()
    GENERAL = auto()
    DATE = auto()
    ELAPSED = auto()
    HALF = auto()


class Token(NamedTuple):
    """A piece of a section: `value` is its text, letters in lower case."""

    kind: Kind
    value: str


@dataclass(slots=True)
class Section:
    """One section: its tokens, for which numbers it is (None: by its place), whose language.

    `language` is two letters or "" where the code names none, `foreign` a calendar or language
    whose words are not known here.
    """

    tokens: list[Token] = field(default_factory=list)
    condition: tuple[Any, float] | None = None
    language: str = ""
    foreign: bool = False

    def has(self, *kinds: Kind) -> bool:
        """Whether there is a token of one of these kinds."""
        return any(token.kind in kinds for token in self.tokens)


def sections(code: str) -> list[Section]:
    """The code's sections, four at the most; one that shows General for a code too long."""
    if not code.strip() or len(code) > LONGEST:
        return [Section([Token(Kind.GENERAL, "")])]
    found = [Section()]
    at = 0
    while at < len(code):
        if code[at] == ";":
            found.append(Section())
            at += 1
        else:
            at = _take(code, at, found[-1])
    return found[:4]


_OPERATORS: Final = {"<=": le, ">=": ge, "<>": ne, "<": lt, ">": gt, "=": eq}
_HALVES: Final = ("am/pm", "a/p")
_DATE_LETTERS: Final = "ymdhsaebg"
_SINGLE: Final = {
    "0": Kind.DIGIT,
    "#": Kind.DIGIT,
    "?": Kind.DIGIT,
    ".": Kind.POINT,
    ",": Kind.COMMA,
    "%": Kind.PERCENT,
    "/": Kind.SLASH,
    "@": Kind.TEXT,
}


def _take(code: str, at: int, section: Section) -> int:
    """Add the token at `at`; returns where the next one begins."""
    char = code[at]
    if char in '"\\_*':
        return _take_quoted(code, at, section)
    if char == "[":
        end = code.find("]", at)
        if end >= 0:
            _bracketed(code[at + 1 : end], section)
            return end + 1
    return _take_bare(code, at, section)


def _take_quoted(code: str, at: int, section: Section) -> int:
    char, end = code[at], at + 2
    if char == '"':
        closing = code.find('"', at + 1)
        closing = closing if closing >= 0 else len(code)
        text, end = code[at + 1 : closing], closing + 1
    elif char == "\\":
        text = code[at + 1 : end]
    else:  # `_x`: a gap as wide as x; `*x`: x as often as the column is wide
        text = " " if char == "_" else ""
    section.tokens.append(Token(Kind.LITERAL, text))
    return end


def _take_bare(code: str, at: int, section: Section) -> int:
    rest = code[at : at + 7].lower()
    char = rest[0]
    if rest == "general":
        section.tokens.append(Token(Kind.GENERAL, ""))
        return at + 7
    for half in _HALVES:
        if rest.startswith(half):
            section.tokens.append(Token(Kind.HALF, half))
            return at + len(half)
    if char == "e" and rest[1:2] in ("+", "-"):
        section.tokens.append(Token(Kind.EXPONENT, rest[1]))
        return at + 2
    if char in _DATE_LETTERS:
        end = at
        while end < len(code) and code[end].lower() == char:
            end += 1
        section.tokens.append(Token(Kind.DATE, char * (end - at)))
        section.foreign = section.foreign or char in "aebg"
        return end
    section.tokens.append(Token(_SINGLE.get(char, Kind.LITERAL), code[at]))
    return at + 1


def _bracketed(inside: str, section: Section) -> None:
    """A condition, a currency with its language, hours beyond 24; colours show nothing."""
    lower = inside.lower()
    if lower and lower[0] in "hms" and not lower.strip(lower[0]):
        section.tokens.append(Token(Kind.ELAPSED, lower))
    elif inside.startswith("$"):
        currency, _, language = inside[1:].partition("-")
        section.tokens.append(Token(Kind.LITERAL, currency))
        _speak(language, section)
    else:
        for sign, operator in _OPERATORS.items():
            if inside.startswith(sign):
                with suppress(ValueError):
                    section.condition = operator, float(inside.removeprefix(sign))
                return


#: Windows' numbers of languages, without country (MS-LCID).
_LANGUAGES: Final = {
    0x07: "de", 0x09: "en", 0x0A: "es", 0x0C: "fr", 0x10: "it", 0x13: "nl", 0x16: "pt",
}  # fmt: skip
_SYSTEM: Final = ("f800", "f400")  # the computer's own long date, and its time


def _speak(language: str, section: Section) -> None:
    name = language.lower().split(",")[0]
    if not name or name in _SYSTEM:
        return
    try:
        number = int(name, 16) if not name[:2].isalpha() or "-" not in name else -1
    except ValueError:
        number = -1
    if number >= 0:
        section.foreign = section.foreign or number > 0xFFFF
        section.language = _LANGUAGES.get(number & 0x3FF, "??") if number & 0xFFFF else ""
    else:
        section.language = name[:2]
