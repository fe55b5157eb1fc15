"""Which E.164 numbers exist, as one regular expression per calling code.

The rules are Google's, from phonenumbers' metadata. The expression matches only digits that
`phonenumbers.is_valid_number` accepts (a test compares the two for every country). It excludes
numbers that no text reaches, and digits that may be two numbers. Parsing costs 20 µs a number, a
match costs one. A number without a match may still be good: then `phone_readings` decides, by
parsing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    PhoneMetadata,
    country_code_for_region,
)

#: Numbers reserved for films, manuals and tests: calling code → the rest.
#: 1 555 … : the area code 555 is unassigned in the North American plan and stands for "made up";
#: Twilio's magic numbers (+1 500 555 00xx) need no entry, area code 500 is a valid one.
#: 44 7700 900 … and 44 1632 960 … : Ofcom, "Telephone numbers for use in TV and radio drama".
#: 33 6 39 98 … : Arcep, numbering plan, mobile numbers for audiovisual works.
FICTIONAL: Final = {1: r"555\d{7}", 44: r"7700900\d{3}|1632960\d{3}", 33: r"63998\d{4}"}

#: The kinds of numbers that a text may reach. Left out: premium_rate, pager, voicemail.
# Businesses have toll-free, shared-cost, internet and company-wide numbers enabled for texts, at
# the usual price. A personal number forwards calls at a surcharge, but for North America's 5xx.
_KINDS: Final = ("fixed_line", "mobile", "toll_free", "shared_cost", "voip", "uan")
_KINDS_BESIDE: Final = {1: ("personal_number",)}

#: Calling codes without a country: satellites, shared cost, worldwide premium rate.
NOWHERE: Final = frozenset(
    code for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if regions == ("001",)
)

#: Valid for phonenumbers, but unused: Brazil's mobiles of eight digits got a ninth by 2016, and the
#: last radio phones without it (7…) were switched off in 2018. Calling code → national digits.
EXPIRED: Final = {55: r"\d\d[6-9]\d{7}"}

_DIGIT: Final = r"\d"
_CODE: Final = re.compile(r"[1-9]\d*", re.ASCII)
_matchers: dict[str, re.Pattern[str]] = {}


def plainly_valid(e164: str) -> bool:
    """True if `e164` is `+` and ASCII digits and a valid or fictional number as it stands.

    False only means "not plainly": the number may need parsing (a trunk zero after the code).
    """
    matcher = (
        _matchers.get(e164[:2])
        or _matchers.get(e164[:3])
        or _matchers.get(e164[:4])
        or _load(e164[1:4])
    )
    return matcher is not None and matcher.fullmatch(e164) is not None


def plainly_national(digits: str, region: str) -> str | None:
    """The E.164 form of ASCII `digits` as dialled inside `region`, if that is certain.

    None means "not plainly", as above: an international prefix, a calling code, more digits than
    usual, a country with special dialling rules.
    """
    (e164,) = national([digits], region)
    return e164 if plainly_valid(e164) else None


def national(cells: Sequence[str], region: str) -> list[str]:
    """ASCII digits as dialled inside `region`, with plus and calling code; "?" if uncertain.

    It does not check that the numbers exist.
    """
    dialling = _dialling(region)
    if dialling is None:
        return ["?"] * len(cells)
    return [_from_abroad(cell, dialling) for cell in cells]


def _from_abroad(digits: str, dialling: "_Dialling") -> str:
    code, trunk = dialling
    if not (digits.isascii() and digits.isdigit()) or digits.startswith("00"):
        return "?"
    if trunk and digits.startswith(trunk):
        return f"+{code}{digits[1:]}"
    # With so many digits and no trunk digit it may be a number of another country.
    return "?" if digits.startswith(code) or len(digits) > 10 else f"+{code}{digits}"


def surely_valid(numbers: Sequence[str]) -> list[bool]:
    """Which of the numbers, each a plus and digits, are valid by their first digits and length.

    In most countries these decide, so a million numbers need only a few thousand look-ups. False
    means that it depends on more digits. The caller ensures that digits follow the plus.
    """
    starts = [number[:6] for number in numbers]
    lengths = set(map(len, numbers))
    if len(lengths) == 1 and lengths == {_SHORT[start] for start in set(starts)}:
        return [True] * len(numbers)
    return [
        (_SHORT[start] or _LONG[number[:8]]) == len(number)
        for start, number in zip(starts, numbers, strict=True)
    ]


#: Names of a country beside ISO 3166: the first is reserved there, the second is the EU's.
_ALSO_CALLED: Final = {"UK": "GB", "EL": "GR"}


def as_region(given: str) -> str:
    """A country's code as `is_region` accepts it: uk → GB. Other words only in capitals."""
    capitals = given.strip().upper()
    return _ALSO_CALLED.get(capitals, capitals)


def is_region(region: str) -> bool:
    """True for a two-letter country that has phone numbers, such as US, GB or PR."""
    return region in SUPPORTED_REGIONS


def fictional(e164: str) -> bool:
    """True for a number from a range that is kept for fiction and tests."""
    return any(
        re.fullmatch(rf"\+{code}(?:{rest})", e164, re.ASCII) for code, rest in FICTIONAL.items()
    )


class _Dialling(NamedTuple):
    code: str
    trunk: str


@cache
def _dialling(region: str) -> _Dialling | None:
    """The dialling rules inside a country, if they are simple; else None.

    Simple: the trunk digit is 1 (North America), or it is 0 or none and the international prefix
    is 00.
    """
    code = country_code_for_region(region)
    if code == 1:
        return _Dialling("1", "1")
    rules = PhoneMetadata.metadata_for_region(region, None)
    if rules is None or rules.international_prefix != "00" or rules.national_prefix_transform_rule:
        return None
    prefix = rules.national_prefix_for_parsing
    if not prefix:
        return _Dialling(str(code), "")
    prefixes = prefix.split("|")
    simple = "0" in prefixes and all(map(str.isdigit, prefixes))
    return _Dialling(str(code), "0") if simple else None


def _load(start: str) -> re.Pattern[str] | None:
    """Compile the calling code that `start` begins with. Codes are prefix-free, so one fits."""
    head = _code_of(start)
    if head is None:
        return None
    pattern = re.compile(rf"\+{head}(?:{_national(int(head), _AS_IT_IS)})", re.ASCII)
    return _matchers.setdefault(f"+{head}", pattern)


def _code_of(start: str) -> str | None:
    heads = (start[:width] for width in (1, 2, 3))
    known = COUNTRY_CODE_TO_REGION_CODE
    codes = (head for head in heads if _CODE.fullmatch(head) and int(head) in known)
    return next((head for head in codes if int(head) not in NOWHERE), None)


class _Beginnings(dict[str, int]):
    """The length of every valid number with these first characters, computed once for each.

    0 if the length depends on later digits.
    """

    def __missing__(self, start: str) -> int:
        if len(self) >= _MOST_BEGINNINGS:  # a file with random digits fills it
            self.clear()
        self[start] = length = _sure_length(start)
        return length


_MOST_BEGINNINGS: Final = 100_000
_SHORT, _LONG = _Beginnings(), _Beginnings()
_START: Final = re.compile(r"\+[1-9]\d+", re.ASCII)


def _sure_length(start: str) -> int:
    code = _code_of(start[1:4]) if _START.fullmatch(start) else None
    if code is None:
        return 0
    fits = [n for n in range(len(start), 17) if _sure(code).fullmatch(start.ljust(n, _ANY))]
    return fits[0] if len(fits) == 1 else 0


@cache
def _sure(code: str) -> re.Pattern[str]:
    return re.compile(rf"\+{code}(?:{_national(int(code), _WHATEVER_FOLLOWS)})", re.ASCII)


class _Reading(NamedTuple):
    """How to read patterns: those that must match, and those that must not."""

    wanted: Callable[[str], str]
    unwanted: Callable[[str], str]


#: Stands for an unknown digit.
_ANY: Final = "N"
_DIGITS: Final = re.compile(r"\\d|\[[^\[\]]*+\]|\{[^{}]*+\}|\d")


def _only_any(pattern: str) -> str:
    """Make the pattern match an unknown digit only where every digit matches."""
    return pattern.replace(r"\d", rf"[\d{_ANY}]")


def _any_at_all(pattern: str) -> str:
    """Make the pattern match an unknown digit wherever some digit matches."""
    return _DIGITS.sub(lambda found: _or_any(found[0]), pattern)


def _or_any(piece: str) -> str:
    if piece.startswith("{"):
        return piece
    return f"{piece[:-1]}{_ANY}]" if piece.startswith("[") else f"[{piece}{_ANY}]"


_AS_IT_IS: Final = _Reading(str, str)
_WHATEVER_FOLLOWS: Final = _Reading(_only_any, _any_at_all)


def _national(code: int, reading: _Reading) -> str:
    """An expression for the national digits of every valid number of a calling code.

    When several countries share a code (1, 7, 44 …), the first with fitting leading digits owns the
    number; a country without leading digits owns its valid numbers. phonenumbers does the same.
    """
    pattern = "(?!)"
    for rules in reversed(list(_countries(code))):
        if rules.leading_digits:
            lead = f"(?:{rules.leading_digits})"
            owned = f"(?={reading.wanted(lead)}){_valid(rules, reading)}"
            pattern = f"{owned}|(?!{reading.unwanted(lead)})(?:{pattern})"
        else:
            pattern = f"{_valid(rules, reading)}|{pattern}"
    unwanted = f"{_no_trunk(code, reading)}{_not_doubled(code, reading)}"
    if code in EXPIRED:
        unwanted += f"(?!{reading.unwanted(EXPIRED[code])}$)"
    pattern = f"{unwanted}(?:{pattern})"
    return f"{reading.wanted(FICTIONAL[code])}|{pattern}" if code in FICTIONAL else pattern


def _countries(code: int) -> Iterator[Any]:
    for region in COUNTRY_CODE_TO_REGION_CODE[code]:
        rules = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if rules is not None:
            yield rules


def _valid(rules: Any, reading: _Reading) -> str:
    """Digits that fit the country's general pattern and one kind of number in it."""
    names = _KINDS + _KINDS_BESIDE.get(rules.country_code, ())
    kinds = [getattr(rules, name) for name in names]
    either = "|".join(_described(kind) for kind in kinds if kind and kind.national_number_pattern)
    general, either = reading.wanted(_described(rules.general_desc)), reading.wanted(either)
    return f"(?={general}$)(?:{either or '(?!)'})(?!{reading.unwanted(_DIGIT)})"


def _described(kind: Any) -> str:
    """One pattern, limited to its possible lengths."""
    lengths = "|".join(rf"\d{{{length}}}" for length in kind.possible_length)
    length = f"(?=(?:{lengths})$)" if lengths else ""
    return f"{length}(?:{kind.national_number_pattern})"


def _not_doubled(code: int, reading: _Reading) -> str:
    """Refuse digits that may be a mobile number with a repeated calling code.

    In countries with numbers of many lengths they may be both: +49 49 171 3369876 is also the
    number of a German landline.
    """
    whole = {n for rules in _countries(code) for n in rules.general_desc.possible_length}
    mobiles = [rules.mobile for rules in _countries(code) if rules.mobile is not None]
    pattern = "|".join(
        _described(mobile)
        for mobile in mobiles
        if mobile.national_number_pattern
        and any(n + len(str(code)) in whole for n in mobile.possible_length or whole)
    )
    return f"(?!{reading.unwanted(f'{code}(?:{pattern})')})" if pattern else ""


def _no_trunk(code: int, reading: _Reading) -> str:
    """Refuse digits from which parsing might remove a trunk prefix or carrier code."""
    rules = next(_countries(code), None)
    prefix = rules.national_prefix_for_parsing if rules else None
    return f"(?!{reading.unwanted(prefix)})" if prefix else ""
