"""Convert digits to E.164: find every reading that is a number. Two readings are an error.

Without a plus, digits may be a number as dialled in the file's country, a number with its calling
code, one that lost its first zero in a spreadsheet, or one after an exit code. To choose between
two of them would be a guess, and a guess texts a stranger.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import (
    CountryCodeSource,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
)

from shared.domain.numbering import (
    EXPIRED,
    NOWHERE,
    fictional,
    is_region,
    plainly_national,
    plainly_valid,
)
from shared.domain.phone_error import AMBIGUOUS, PREMIUM, PhoneError

#: The note "(0)": a zero that is dialled only inside the country. Italy's is dialled from anywhere.
_OPTIONAL_ZERO: Final = re.compile(r"\(\s*0\s*\)")


def read(text: str, region: str | None) -> str | None:
    """The number, from ASCII digits and separators; None when there is none.

    `text` begins with the plus if it has one. Raises PhoneError ambiguous_phone, premium_number.
    """
    writings = dict.fromkeys((text, _OPTIONAL_ZERO.sub("", text)))
    number = _only(_read(writing, region) for writing in writings)
    if number is not None:
        _refuse_unreachable(number)
    return number


def _read(text: str, region: str | None) -> str | None:
    digits = re.sub(r"\D", "", text)
    if text.startswith("+"):
        return _only(_with_plus(text, digits))
    if region is None or not is_region(region):
        return abroad(digits[2:]) if digits.startswith("00") else None
    return _dialled(text, digits, region=region)


class _Reading(NamedTuple):
    number: str
    source: int


def parsed(text: str, region: str | None) -> str | None:
    """The number that phonenumbers parses, if it exists."""
    reading = _parsed(text, region)
    return reading.number if reading else None


def _parsed(text: str, region: str | None) -> _Reading | None:
    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except NumberParseException:
        return None
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if fictional(e164):
        return _Reading(e164, number.country_code_source)
    if not phonenumbers.is_valid_number(number) or expired(number):
        return None
    return _Reading(e164, number.country_code_source)


def expired(number: PhoneNumber) -> bool:
    """Whether it has the form of its country's mobiles before they got another digit."""
    former = _FORMER.get(number.country_code or 0)
    national = phonenumbers.national_significant_number(number)
    return former is not None and former.fullmatch(national) is not None


_FORMER: Final = {code: re.compile(digits, re.ASCII) for code, digits in EXPIRED.items()}

#: Until 2020 a Mexican mobile had a 1 after the country code for calls from abroad, and other
#: prefixes inside Mexico. The ten digits after them are the number.
_FORMER_MEXICAN: Final = re.compile(r"521(\d{10})", re.ASCII)
_FORMER_MEXICAN_AT_HOME: Final = re.compile(r"(?:044|045|01|1)(\d{10})", re.ASCII)


def abroad(digits: str) -> str | None:
    """Digits that begin with a calling code."""
    former = _FORMER_MEXICAN.fullmatch(digits)
    return parsed(f"+52{former[1]}" if former else f"+{digits}", None)


def _with_plus(text: str, digits: str) -> Iterator[str | None]:
    """The reading as written; and the one without a calling code that may be doubled."""
    number = parsed(text, None) or abroad(digits)
    yield number
    if number is not None and not _is_mobile(number):
        code = str(phonenumbers.parse(number).country_code)
        once = number[1 + len(code) :]
        if once.startswith(code):
            yield _mobile(abroad(once))


def _dialled(text: str, digits: str, *, region: str) -> str | None:
    """The reading of digits without a plus, in a region."""
    home = _at_home(text, digits, region=region)
    if home is not None:
        return _only((home, *_beside_home(digits, home, region=region)))
    coded = _with_code(digits, region=region)
    if coded is not None:
        return _only((coded, *_beside_coded(digits, coded, region=region)))
    foreign = _behind_exit_code(text, digits, region=region)
    if foreign is not None:
        doubts = _with_a_digit_less(digits, 5, region=region)
        return _only((foreign, *doubts, _behind_zeros(digits, region=region)))
    if region == "MX" and (former := _FORMER_MEXICAN_AT_HOME.fullmatch(digits)):
        return parsed(former[1], region)
    return _with_zero(digits, region=region)


def _only(readings: Iterable[str | None]) -> str | None:
    """The one number of the readings, if any. Raises PhoneError for two."""
    numbers = list(dict.fromkeys(filter(None, readings)))
    if len(numbers) > 1:
        raise PhoneError(
            AMBIGUOUS,
            f"It can be read as {' or as '.join(numbers)}.",
            "Write the one that is meant with its plus.",
        )
    return numbers[0] if numbers else None


def _at_home(text: str, digits: str, *, region: str) -> str | None:
    """The reading as dialled inside the region."""
    if number := plainly_national(digits, region):
        return number
    reading = _parsed(text, region)
    at_home = reading is not None and reading.source == CountryCodeSource.FROM_DEFAULT_COUNTRY
    return reading.number if reading and at_home else None


def _beside_home(digits: str, home: str, *, region: str) -> Iterator[str | None]:
    """Other readings of digits that are a number in their region."""
    if digits.startswith("0"):
        yield _behind_zeros(digits, region=region)
    elif digits.startswith(_code(region)):
        yield abroad(digits)
    elif len(digits) >= _LONG and not _is_mobile(home):
        yield _mobile(abroad(digits))


def _behind_zeros(digits: str, *, region: str) -> str | None:
    """The reading as a mobile with its calling code after one zero (049 151 …), meant as 00."""
    behind = digits.lstrip("0")
    return _mobile(abroad(behind)) if behind.startswith(_code(region)) else None


#: Digits of this length without a leading zero are more likely a foreign mobile than a landline
#: that lost its zero. Shorter ones are not read so: it would cost a parsing for every number.
_LONG: Final = 11


def _with_code(digits: str, *, region: str) -> str | None:
    """The reading with the region's calling code, without a plus."""
    return abroad(digits) if digits.startswith(_code(region)) else None


def _beside_coded(digits: str, coded: str, *, region: str) -> Iterator[str | None]:
    """Other readings of digits that are a number with the region's calling code."""
    yield _with_zero(digits, region=region)
    if _region_of(coded) != region or not _is_mobile(coded):
        yield from _with_a_digit_less(digits, len(digits), region=region)


def _behind_exit_code(text: str, digits: str, *, region: str) -> str | None:
    """The reading after the region's exit code, or after 00, which all countries understand."""
    reading = _parsed(text, region)
    if reading is not None and reading.source == CountryCodeSource.FROM_NUMBER_WITH_IDD:
        return reading.number
    return abroad(digits[2:]) if digits.startswith("00") else None


def _with_a_digit_less(digits: str, places: int, *, region: str) -> Iterator[str | None]:
    """Mobiles of the region that result when one of the first `places` digits is removed."""
    for at in range(min(places, len(digits))):
        less = digits[:at] + digits[at + 1 :]
        number = _mobile(_at_home(less, less, region=region))
        yield number if number and _region_of(number) == region else None


def _with_zero(digits: str, *, region: str) -> str | None:
    """The reading with the leading zero that some countries keep abroad (Italy, Ivory Coast).

    Spreadsheets remove that zero. If a zero would make an exit code, or is not part of the number,
    none was lost. An Italian number that begins with 3 is a mobile; a short one has lost another
    digit.
    """
    if len(digits) < 6 or (region in {"IT", "SM", "VA"} and digits.startswith("3")):
        return None
    number = parsed(f"0{digits}", region)
    return number if number == f"+{_code(region)}0{digits}" else None


def _code(region: str) -> str:
    return str(phonenumbers.country_code_for_region(region))


def _region_of(e164: str) -> str | None:
    region: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    return region


_MOBILES: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def _is_mobile(e164: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(e164)) in _MOBILES


def _mobile(e164: str | None) -> str | None:
    return e164 if e164 is not None and _is_mobile(e164) else None


_UNREACHABLE: Final = {
    PhoneNumberType.PREMIUM_RATE: "It is a premium-rate number, whose owner earns by each call",
    PhoneNumberType.PAGER: "It is a pager",
    PhoneNumberType.VOICEMAIL: "It is a voice mailbox",
    PhoneNumberType.PERSONAL_NUMBER: "It is a personal number, which forwards calls at a surcharge",
}
_SATELLITES: Final = frozenset([870, 881])


def _refuse_unreachable(e164: str) -> None:
    if plainly_valid(e164):
        return
    number = phonenumbers.parse(e164)
    code = number.country_code
    if code in _SATELLITES:
        reason = "It is a satellite telephone"
    elif code in NOWHERE:
        reason = f"+{code} is no country's code but an international service's"
    else:
        kind = phonenumbers.number_type(number)
        if code == 1 and kind == PhoneNumberType.PERSONAL_NUMBER:
            return
        reason = _UNREACHABLE.get(kind, "")
    if reason:
        raise PhoneError(
            PREMIUM, f"{reason}; no text reaches it.", "Use the person's own mobile number."
        )
