"""Which E.164 numbers exist, as one regular expression per calling code.

The rules are Google's, from phonenumbers' metadata, and nothing is decided here: the expression
says yes only where `phonenumbers.is_valid_number` says yes to the very same digits (a test
compares the two for every country). It is there because parsing costs 20 µs a number and a match
costs one. A number it does not recognise may still be good; phonenumbers then decides.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    PhoneMetadata,
    country_code_for_region,
)

#: Numbers no directory knows, kept for films, manuals and test benches: calling code → the rest.
#: 1 555 … : the area code 555 is unassigned in the North American plan and stands for "made up";
#: Twilio's magic numbers (+1 500 555 00xx) need no entry, area code 500 is a valid one.
#: 44 7700 900 … and 44 1632 960 … : Ofcom, "Telephone numbers for use in TV and radio drama".
#: 33 6 39 98 … : Arcep, numbering plan, mobile numbers for audiovisual works.
FICTIONAL: Final = {1: r"555\d{7}", 44: r"7700900\d{3}|1632960\d{3}", 33: r"63998\d{4}"}

_KINDS: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)

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
    """The E.164 form of ASCII `digits` as dialled inside `region`, where that is plain to see.

    None means "not plainly", as above: an international prefix, a country with odd dialling rules.
    """
    dialling = _dialling(region)
    if dialling is None or digits.startswith("00"):
        return None
    code, trunk = dialling
    if trunk and digits.startswith(trunk):
        digits = digits[1:]
    elif digits.startswith(code):
        return None
    e164 = f"+{code}{digits}"
    return e164 if plainly_valid(e164) else None


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
    """How a country with simple rules dials within itself; None for the others.

    Simple: the trunk digit is 1 (North America), or 0 or none beside the international prefix 00.
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
    for width in (1, 2, 3):
        head = start[:width]
        if _CODE.fullmatch(head) and int(head) in COUNTRY_CODE_TO_REGION_CODE:
            pattern = re.compile(rf"\+{head}(?:{_national(int(head))})", re.ASCII)
            return _matchers.setdefault(f"+{head}", pattern)
    return None


def _national(code: int) -> str:
    """An expression for the national digits of every valid number of a calling code.

    Where several countries share a code (1, 7, 44 …) the first whose leading digits fit owns the
    number, and one without leading digits owns what is valid for it; so asks phonenumbers.
    """
    pattern = "(?!)"
    for rules in reversed(list(_countries(code))):
        if rules.leading_digits:
            lead = f"(?:{rules.leading_digits})"
            pattern = f"(?={lead}){_valid(rules)}|(?!{lead})(?:{pattern})"
        else:
            pattern = f"{_valid(rules)}|{pattern}"
    pattern = f"{_no_trunk(code)}(?:{pattern})"
    return f"{FICTIONAL[code]}|{pattern}" if code in FICTIONAL else pattern


def _countries(code: int) -> Iterator[Any]:
    for region in COUNTRY_CODE_TO_REGION_CODE[code]:
        rules = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if rules is not None:
            yield rules


def _valid(rules: Any) -> str:
    """Digits that fit the country's general pattern and one kind of number in it."""
    kinds = [getattr(rules, kind) for kind in _KINDS]
    either = "|".join(_described(kind) for kind in kinds if kind and kind.national_number_pattern)
    return f"(?={_described(rules.general_desc)}$)(?:{either or '(?!)'})(?!\\d)"


def _described(kind: Any) -> str:
    """One pattern, held to its possible lengths."""
    lengths = "|".join(rf"\d{{{length}}}" for length in kind.possible_length)
    length = f"(?=(?:{lengths})$)" if lengths else ""
    return f"{length}(?:{kind.national_number_pattern})"


def _no_trunk(code: int) -> str:
    """Refuse digits that parsing might take a trunk prefix or carrier code from."""
    rules = next(_countries(code), None)
    prefix = rules.national_prefix_for_parsing if rules else None
    return f"(?!{prefix})" if prefix else ""
