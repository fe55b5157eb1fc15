"""What a cell shows under its number format: the digits, dates and words a person sees.

Separators are those of English, as number formats are stored: which ones a reader's computer would
show is not in the file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Final

from scheduler.ingest.read.sheets.dates import date_writer, is_foreign
from scheduler.ingest.read.sheets.digits import (
    COLUMN,
    PRECISION,
    general,
    number_writer,
    with_all_digits,
)
from scheduler.ingest.read.sheets.format_codes import LONGEST, Kind, Section, Token, sections

#: The formats that have a number and no code (ECMA-376, 18.8.30), as Excel shows them in the US.
_BUILT_IN: Final = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '"$"#,##0_);("$"#,##0)', 6: '"$"#,##0_);("$"#,##0)',
    7: '"$"#,##0.00_);("$"#,##0.00)', 8: '"$"#,##0.00_);("$"#,##0.00)',
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "m/d/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "m/d/yyyy h:mm",
    37: "#,##0_);(#,##0)", 38: "#,##0_);(#,##0)", 39: "#,##0.00_);(#,##0.00)",
    40: "#,##0.00_);(#,##0.00)", 41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    59: "0", 60: "0.00", 61: "#,##0", 62: "#,##0.00", 67: "0%", 68: "0.00%", 69: "# ?/?",
    70: "# ??/??", 73: "d-mmm-yy", 74: "d-mmm", 75: "mmm-yy", 76: "h:mm", 77: "h:mm:ss",
    79: "mm:ss", 80: "[h]:mm:ss", 81: "mm:ss.0",
}  # fmt: skip
#: Each country's own date: of East Asia's (27 to 36, 50 to 58) and Thailand's (71, 72, 78) too.
_LOCAL_DATES: Final = frozenset((14, 22, 71, 72, 78, *range(27, 32), 36, *range(50, 59)))
_LOCAL_TIMES: Final = frozenset(range(32, 36))


def built_in(number: int) -> str:
    """The code of a format that is known by its number alone; General for one that is none."""
    if number in _LOCAL_TIMES:
        return _BUILT_IN[21]
    if number in _LOCAL_DATES:
        return _BUILT_IN[22 if number in (22, 78) else 14]
    return _BUILT_IN.get(number, "General")


@dataclass(frozen=True, slots=True)
class Format:
    """How cells of one style are shown. `number` takes a number, `text` a text.

    `quick` takes a number as stored, and gives "" where it has to be worked out. `local` is true
    for a date that each computer shows in its own country's order, `foreign` for one in words not
    known here.
    """

    number: Callable[[float], str]
    text: Callable[[str], str]
    quick: Callable[[str], str] | None = None
    local: bool = False
    foreign: bool = False


def format_of(code: str, *, number: int = -1, since_1904: bool = False) -> Format:
    """The format of a code; `number` is the one it is known by in its file."""
    parts = sections(code)
    words = _words(parts)
    parts = parts if len(parts) < 4 else parts[:3]
    dated = any(part.has(*_DATED) for part in parts)
    return Format(
        number=_numbers(parts, since_1904=since_1904),
        text=words,
        quick=_quick(code, parts),
        local=dated and (number in _LOCAL_DATES or code.lower().startswith("[$-f800]")),
        foreign=any(map(is_foreign, parts)),
    )


_DATED: Final = (Kind.DATE, Kind.ELAPSED, Kind.HALF)
_PLAIN: Final = ([Kind.GENERAL], [Kind.TEXT])


def _quick(code: str, parts: list[Section]) -> Callable[[str], str] | None:
    """Nearly all numbers are stored as General shows them, or with too few zeros in front."""
    if [token.kind for part in parts for token in part.tokens] in _PLAIN:
        return _as_stored
    if len(code) > LONGEST or code.strip("0"):
        return None
    width = len(code)
    return lambda raw: raw.zfill(width) if _is_whole(raw) else ""


def _as_stored(raw: str) -> str:
    if _is_whole(raw):
        return raw
    before, _, behind = raw.partition(".")
    short = before.isdecimal() and behind.isdecimal() and raw.isascii() and len(raw) <= COLUMN
    return raw if short and raw[-1] != "0" else ""


def _is_whole(raw: str) -> bool:
    return raw.isdecimal() and raw[0] != "0" and len(raw) <= PRECISION and raw.isascii()


def _words(parts: list[Section]) -> Callable[[str], str]:
    """A text goes where the `@` is: in the fourth section, or in one that has no digits."""
    own = parts[3:] or [part for part in parts if part.has(Kind.TEXT)][-1:]
    if not own or [token.kind for token in own[0].tokens] == [Kind.TEXT]:
        return str
    tokens = own[0].tokens

    def write(text: str) -> str:
        return "".join(text if token.kind is Kind.TEXT else token.value for token in tokens)

    return write


_Rule = tuple[Callable[[float, float], bool], float, Callable[[float], str], bool]


def _numbers(parts: list[Section], *, since_1904: bool) -> Callable[[float], str]:
    numeric = [part for part in parts if not _for_text_only(part, parts)] or [_GENERAL]
    rules = [
        _rule(index, numeric, _writer(part, since_1904=since_1904))
        for index, part in enumerate(numeric)
    ]

    def write(value: float) -> str:
        for test, limit, writer, signed in rules:
            if test(value, limit):
                return _with_minus(writer(-value)) if signed and value < 0 else writer(value)
        return general(value)

    return write


def _with_minus(shown: str) -> str:
    """A minus before what shows any digit but zeros, or nothing but words."""
    zero = "0" in shown and not any(char in "123456789" for char in shown)
    return shown if zero else f"-{shown}"


_GENERAL: Final = Section([Token(Kind.GENERAL, "")])


def _for_text_only(part: Section, parts: list[Section]) -> bool:
    """A last section `@` behind others is for texts."""
    return len(parts) > 1 and part is parts[-1] and part.has(Kind.TEXT)


def _rule(index: int, parts: list[Section], writer: Callable[[float], str]) -> _Rule:
    """For which numbers a section is, and whether it shows their minus by itself."""
    condition = parts[index].condition
    dated = parts[index].has(*_DATED)
    if condition:
        test, limit = condition
        return test, limit, writer, not dated and not (test in (lt, le) and limit <= 0)
    if index == len(parts) - 1:
        told = index == 1 and parts[0].condition is None
        return (lambda _value, _limit: True), 0.0, writer, not (dated or told or index == 2)
    if index == 0:
        return (ge if len(parts) == 2 else gt), 0.0, writer, False
    return lt, 0.0, writer, False


def _writer(part: Section, *, since_1904: bool) -> Callable[[float], str]:
    if not part.tokens:
        return lambda _value: ""
    if part.has(*_DATED):
        date = date_writer(part, since_1904=since_1904)

        def dated(value: float) -> str:
            shown = date(value)
            return general(value) if shown is None else shown

        return dated
    writer = number_writer(part)

    return lambda value: with_all_digits(writer(abs(value)), abs(value))
