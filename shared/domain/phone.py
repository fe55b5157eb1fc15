"""Convert a phone number, as people and spreadsheets write it, to E.164. No I/O, no guessing.

It cleans the text first (`phone_text`), then reads the digits (`phone_readings`). It refuses a
number with two readings or with lost digits: a guess texts a stranger.

Valid is what `phonenumbers.is_valid_number` accepts, except numbers that no text reaches (premium
rate, pagers, voice mailboxes, satellites: `numbering`). The ranges for fiction and tests
(`numbering.FICTIONAL`) are valid too: every sample file uses them, and they reach no one.
"""

import re
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult

from shared.domain.numbering import as_region, is_region, plainly_national, plainly_valid
from shared.domain.phone_error import AMBIGUOUS, INVALID, MISSING, PREMIUM, PhoneError
from shared.domain.phone_readings import expired, parsed, read
from shared.domain.phone_text import GROUPING, NO_GROUPING, tidied

__all__ = ["AMBIGUOUS", "INVALID", "MISSING", "PREMIUM", "PhoneError", "normalise"]


def normalise(raw: str, region: str | None) -> str:
    """`raw` in E.164. `region` is the country of numbers without a country code, such as "US".

    Raises PhoneError.
    """
    if raw.startswith("+") and plainly_valid(raw):
        return raw
    region = as_region(region) if region else None
    if plain := _plainly_dialled(raw, region):
        return plain
    text = tidied(raw)
    _refuse_letters(text, region)
    text = _PLUS.sub("+", text)
    number = None if "+" in text[1:] else read(text, region)
    if number is None:
        raise _why_not(text, region=region)
    return number


#: Characters before the plus that do not belong to the number.
_PLUS: Final = re.compile(r"^[(.\s]*\+[\s+]*(?:00)?")


def _plainly_dialled(raw: str, region: str | None) -> str | None:
    """The same result as the long way, for digits in plain grouping: most national numbers."""
    digits = raw.translate(GROUPING)
    if region is None or not (digits.isascii() and digits.isdigit()) or NO_GROUPING.match(raw):
        return None
    return plainly_national(digits, region) if is_region(region) else None


_WRITTEN: Final = re.compile(r"[\d+\-().\s/]+", re.ASCII)


def _refuse_letters(text: str, region: str | None) -> None:
    if _WRITTEN.fullmatch(text) and any(map(str.isdigit, text)):
        return
    letters = "".join(dict.fromkeys(filter(str.isalpha, text)))
    if not letters or "@" in text or not re.search(r"\d{3}", text):
        fix = "Write it as + country code and number, such as +12025550123."
        raise PhoneError(INVALID, "It is not a phone number.", fix)
    if word := _vanity(text, region):
        raise PhoneError(INVALID, "It has letters in it.", f"Is {word} meant? Write it in digits.")
    fix = "Compare it with its source and write it in digits."
    if sum(map(str.isalpha, text)) >= 3 and not set(letters) <= _LOOKS_LIKE.keys():
        raise PhoneError(INVALID, "It has letters in it.", fix)
    raise PhoneError(INVALID, _strays(letters), fix)


#: Letters typed or scanned for a digit. No number is suggested: a wrong one texts a stranger.
_LOOKS_LIKE: Final = {
    **dict.fromkeys("Oo\u041e\u043e", "zero"),  # Latin and Cyrillic
    **dict.fromkeys("lI", "one"),
    "S": "five",
    "B": "eight",
    "Z": "two",
}
_VANITY: Final = re.compile(r"[+(\d][a-z\d().\s-]+", re.I | re.ASCII)


def _vanity(text: str, region: str | None) -> str | None:
    """The number that a word spells on a keypad (1-800-FLOWERS), if it is one."""
    words = re.findall(r"[a-z]+", text, re.I | re.ASCII)
    spelt = all(len(word) >= 3 for word in words) and not set("".join(words)) <= _LOOKS_LIKE.keys()
    if not spelt or not _VANITY.fullmatch(text):
        return None
    digits: str = phonenumbers.convert_alpha_characters_in_number(text)
    return digits if parsed(digits, region) else None


def _strays(letters: str) -> str:
    one = len(letters) == 1
    found = f"There {'is a letter' if one else 'are letters'} among the digits: "
    digits = dict.fromkeys(f"a {_LOOKS_LIKE[x]}" for x in letters if x in _LOOKS_LIKE)
    perhaps = f" Perhaps {' and '.join(digits)}?" if digits else ""
    return f"{found}{', '.join(letters)}.{perhaps}".replace("a eight", "an eight")


_REASONS: Final = {
    ValidationResult.TOO_SHORT: "It has too few digits",
    ValidationResult.TOO_LONG: "It has too many digits",
    ValidationResult.INVALID_LENGTH: "It has the wrong number of digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "It has no area code; numbers have one",
    ValidationResult.INVALID_COUNTRY_CODE: "No country has this country code",
}


def _why_not(text: str, *, region: str | None) -> PhoneError:
    digits = re.sub(r"\D", "", text)
    international = text.startswith("+")
    if "+" in text[1:]:
        fix = "Write the + first, then the country code and the number, and nothing before it."
        return PhoneError(INVALID, "It has a + among its digits.", fix)
    if not international and (region is None or not is_region(region)):
        fix = "Write it with + and the country code, or name the region of the file's numbers."
        return PhoneError(INVALID, "It has no country code.", fix)
    if len(digits) <= 6:
        reason = "It is a short code, an emergency number or the rest of a number."
        return PhoneError(INVALID, reason, "Write the whole number, with its country code.")
    number = _as_parsed(text, region)
    if isinstance(number, phonenumbers.PhoneNumber) and expired(number):
        reason = "It is a Brazilian mobile without its ninth digit, which all have had since 2016."
        return PhoneError(INVALID, reason, "Ask for the whole number.")
    reason = _REASONS.get(_possible(number), "No number has this area or network code")
    place = "" if international else f" in {region}"
    fix = _COMPARE if international else _fix_without_plus(digits, region)
    return PhoneError(INVALID, f"{reason}{place}.", fix)


def _fix_without_plus(digits: str, region: str | None) -> str:
    """The fix for a number without a plus."""
    behind = digits.lstrip("0")
    own = behind.startswith(str(phonenumbers.country_code_for_region(region or "")))
    for perhaps in (digits, behind) if own else (digits,):
        if plainly_valid(f"+{perhaps}"):
            return (
                f"If +{perhaps} is meant, write it with the +; otherwise compare it with its "
                "source."
            )
    if len(digits) > 10:
        return (
            "If it is a number of another country, write it with + and the country code, or give "
            "that country as region, such as GB; otherwise compare it with its source."
        )
    return _COMPARE


_COMPARE: Final = "Compare it with its source."


def _as_parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | int:
    """The number, or phonenumbers' ValidationResult if it finds none."""
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            return ValidationResult.INVALID_COUNTRY_CODE
        return ValidationResult.TOO_LONG if len(text) > 20 else ValidationResult.TOO_SHORT


def _possible(number: phonenumbers.PhoneNumber | int) -> int:
    """One of phonenumbers' ValidationResult values."""
    if isinstance(number, int):
        return number
    result: int = phonenumbers.is_possible_number_with_reason(number)
    if result == ValidationResult.IS_POSSIBLE:  # there may be longer landlines
        mobile = phonenumbers.PhoneNumberType.MOBILE
        as_mobile = phonenumbers.is_possible_number_for_type_with_reason(number, mobile)
        return as_mobile if as_mobile == ValidationResult.TOO_LONG else result
    return result
