"""A phone number as people and spreadsheets write it, to E.164. No I/O, no guessing.

What a spreadsheet did to a number is undone while every digit is still there: a text mark
(`'+1…`), a decimal (`15551230000.0`), an exponent with all its digits (`1.5551230000E+10`), a lost
leading zero. Where digits are gone (`1.5551E+10`) the number is refused: a guess texts a stranger.

Valid is what `phonenumbers.is_valid_number` calls valid, and the ranges kept for fiction and tests
(`numbering.FICTIONAL`), which every sample file uses and which reach nobody.
"""

import re
import unicodedata
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from shared.domain.numbering import fictional, is_region, plainly_national, plainly_valid

MISSING: Final = "missing_phone"
INVALID: Final = "invalid_phone"
AMBIGUOUS: Final = "ambiguous_phone"


class PhoneError(ValueError):
    """Not a number we may text. `reason` says what is wrong with it, `fix` what to do.

    `code` is one of missing_phone, invalid_phone and ambiguous_phone.
    """

    def __init__(self, code: str, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fix = fix


def normalise(raw: str, region: str | None) -> str:
    """`raw` in E.164. `region` is the country of numbers without a country code, such as "US".

    Raises PhoneError.
    """
    if raw.startswith("+"):
        if plainly_valid(raw):
            return raw
    elif plain := _plainly_dialled(raw, region):
        return plain
    text = _mended(_cleaned(raw))
    _refuse_several(text)
    _refuse_extension(text)
    _refuse_letters(text, region)
    return _e164(text, region.upper() if region else None)


_GROUPING: Final = str.maketrans("", "", " ()-")


def _plainly_dialled(raw: str, region: str | None) -> str | None:
    """What the long way would find too, for digits in plain grouping: most national numbers."""
    digits = raw.translate(_GROUPING)
    if region is None or not (digits.isascii() and digits.isdigit()):
        return None
    region = region.upper()
    return plainly_national(digits, region) if is_region(region) else None


_SAYS_NOTHING: Final = frozenset(
    ["n/a", "na", "#n/a", "none", "null", "nil", "nan", "unknown", "tbd", "?", "-", "--", ".", "0"]
)
_QUOTES: Final = "'’‘`´\" \t\r\n"
_LABEL: Final = re.compile(
    r"(?:tel|telephone|phone|mobile|mob|cell|ph|sms|smsto|callto|whatsapp)\b[.: ]*(?=[+(\d])", re.I
)


def _cleaned(raw: str) -> str:
    """The characters that count, in ASCII: no invisible marks, quotes, labels or odd digits."""
    text = raw if raw.isascii() else "".join(map(_ascii, unicodedata.normalize("NFKC", raw)))
    text = text.strip(_QUOTES)
    if text.startswith("=") and len(text) > 1:  # ="+15551230000", an export's guard
        text = text[1:].strip(_QUOTES)
    text = _LABEL.sub("", text, count=1) if text[:1].isalpha() else text
    if not text or text.lower() in _SAYS_NOTHING:
        raise PhoneError(MISSING, "There is no phone number.", "Add the number or delete the row.")
    return text


def _ascii(char: str) -> str:
    if char.isascii():
        return char
    kind = unicodedata.category(char)
    if kind == "Nd":
        return str(unicodedata.digit(char))
    if kind == "Cf":  # zero-width marks and reading directions that come with copied numbers
        return ""
    return {"Pd": "-", "Zs": " "}.get(kind, "-" if char == "−" else char)


_EXPONENT: Final = re.compile(r"([+-]?)(\d+)(?:[.,](\d+))?[eE]\+?(\d{1,2})", re.ASCII)
_DECIMAL: Final = re.compile(r"(\+?\d{7,})[.,](\d{1,3})", re.ASCII)
_GROUPED: Final = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,3}(?:'\d{3})+)(?:\.0+)?", re.ASCII)
_HIDDEN: Final = re.compile(r"#{2,}|[*•…]|x{2,}", re.I)

_WRITE_IT_OUT: Final = (
    "Take the number from its source. In the spreadsheet, format the column as text before "
    "typing or importing it."
)


def _mended(text: str) -> str:
    """Undo what a spreadsheet did, or refuse as ambiguous where it lost digits."""
    if match := _EXPONENT.fullmatch(text):
        return _without_exponent(*match.groups(default=""))
    if match := _DECIMAL.fullmatch(text):
        if match[2].strip("0"):
            raise PhoneError(
                AMBIGUOUS, "It is a number with decimals; digits may be misplaced.", _WRITE_IT_OUT
            )
        return match[1]
    if match := _GROUPED.fullmatch(text):
        return re.sub(r"[,']", "", match[1])
    if _HIDDEN.search(text):
        raise PhoneError(AMBIGUOUS, "Some of its digits are hidden.", _WRITE_IT_OUT)
    return text


def _without_exponent(sign: str, whole: str, fraction: str, exponent: str) -> str:
    places = int(exponent)
    if len(fraction) < places:
        kept, needed = len(whole + fraction), len(whole) + places
        raise PhoneError(
            AMBIGUOUS, f"The spreadsheet kept {kept} of its {needed} digits.", _WRITE_IT_OUT
        )
    if fraction[places:].strip("0"):
        raise PhoneError(AMBIGUOUS, "It has digits after the decimal point.", _WRITE_IT_OUT)
    return ("+" if sign == "+" else "") + whole + fraction[:places]


_BETWEEN: Final = re.compile(r"\s*(?:[,;|&\n/]|\bor\b|\band\b)\s*|\s+(?=\+)", re.I)


def _refuse_several(text: str) -> None:
    numbers = [part for part in _BETWEEN.split(text) if sum(map(str.isdigit, part)) >= 7]
    if len(numbers) > 1:
        raise PhoneError(
            AMBIGUOUS,
            f"The cell holds {len(numbers)} numbers.",
            "Keep the one to text; give the others rows of their own.",
        )


_EXTENSION: Final = re.compile(
    r"(?<=\d)[\s,;)]*(?:ext(?:ension|n)?|x|#|;ext=)[\s.:=]*\d{1,7}", re.I | re.ASCII
)


def _refuse_extension(text: str) -> None:
    if match := _EXTENSION.search(text):
        raise PhoneError(
            INVALID,
            f"It has an extension ({match[0].strip(' ,;)')}), which a text cannot reach.",
            "Use the person's mobile number, or delete the extension if the line is theirs.",
        )


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


#: Typed or scanned for a digit. No number is offered for them: the wrong one texts a stranger.
_LOOKS_LIKE: Final = {
    **dict.fromkeys("Oo\u041e\u043e", "zero"),  # Latin and Cyrillic
    **dict.fromkeys("lI", "one"),
    "S": "five",
    "B": "eight",
    "Z": "two",
}
_VANITY: Final = re.compile(r"[+(\d][a-z\d().\s-]+", re.I | re.ASCII)


def _vanity(text: str, region: str | None) -> str | None:
    """The number a word spells on a keypad (1-800-FLOWERS), if that is one."""
    words = re.findall(r"[a-z]+", text, re.I | re.ASCII)
    spelt = all(len(word) >= 3 for word in words) and not set("".join(words)) <= _LOOKS_LIKE.keys()
    if not spelt or not _VANITY.fullmatch(text):
        return None
    digits: str = phonenumbers.convert_alpha_characters_in_number(text)
    return digits if _parsed(digits, region.upper() if region else None) else None


def _strays(letters: str) -> str:
    one = len(letters) == 1
    found = f"There {'is a letter' if one else 'are letters'} among the digits: "
    digits = dict.fromkeys(f"a {_LOOKS_LIKE[x]}" for x in letters if x in _LOOKS_LIKE)
    perhaps = f" Perhaps {' and '.join(digits)}?" if digits else ""
    return f"{found}{', '.join(letters)}.{perhaps}".replace("a eight", "an eight")


def _e164(text: str, region: str | None) -> str:
    """Read digits and separators, as written inside `region` or with a country code."""
    text = re.sub(r"^\(?\+[\s+]*(?:00)?", "+", text)
    digits = re.sub(r"\D", "", text)
    if text.startswith("+"):
        number = _parsed(text, None)
    elif region is None or not is_region(region):
        number = _parsed(f"+{digits[2:]}", None) if digits.startswith("00") else None
    else:
        number = _dialled(text, digits, region=region)
    if number is None:
        raise _why_not(text, digits, region=region)
    return number


def _dialled(text: str, digits: str, *, region: str) -> str | None:
    """Without a plus: as dialled in the region, then as 00 abroad, then with its zero put back."""
    number = plainly_national(digits, region) or _parsed(text, region)
    if number is None and digits.startswith("00"):
        return _parsed(f"+{digits[2:]}", None)
    if number is None and _may_have_lost_zero(digits, region=region):
        return _parsed(f"0{digits}", region)
    return number


def _may_have_lost_zero(digits: str, *, region: str) -> bool:
    """Some countries' numbers keep their zero abroad (Italy, Ivory Coast); spreadsheets do not.

    An Italian number that begins with 3 is a mobile, and a short one has lost another digit.
    """
    return len(digits) >= 6 and not (region in {"IT", "SM", "VA"} and digits.startswith("3"))


def _parsed(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return e164 if phonenumbers.is_valid_number(number) or fictional(e164) else None


_REASONS: Final = {
    ValidationResult.TOO_SHORT: "It has too few digits",
    ValidationResult.TOO_LONG: "It has too many digits",
    ValidationResult.INVALID_LENGTH: "It has the wrong number of digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "It has no area code; numbers have one",
    ValidationResult.INVALID_COUNTRY_CODE: "No country has this country code",
}


def _why_not(text: str, digits: str, *, region: str | None) -> PhoneError:
    international = text.startswith("+")
    if not international and (region is None or not is_region(region)):
        fix = "Write it with + and the country code, or name the region of the file's numbers."
        return PhoneError(INVALID, "It has no country code.", fix)
    if len(digits) <= 6:
        reason = "It is a short code, an emergency number or the rest of a number."
        return PhoneError(INVALID, reason, "Write the whole number, with its country code.")
    reason = _REASONS.get(_possible(text, region), "No number has this area or network code")
    place = "" if international else f" in {region}"
    fix = "Compare it with its source."
    if not international and plainly_valid(f"+{digits}"):
        fix = f"If +{digits} is meant, write it with the +; otherwise compare it with its source."
    elif not international and len(digits) > 10:
        fix = (
            "If it is a number of another country, write it with + and the country code, or give "
            "that country as region, such as GB; otherwise compare it with its source."
        )
    return PhoneError(INVALID, f"{reason}{place}.", fix)


def _possible(text: str, region: str | None) -> int:
    """One of phonenumbers' ValidationResult values."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        invalid_code = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
        too = ValidationResult.TOO_LONG if len(text) > 20 else ValidationResult.TOO_SHORT
        return ValidationResult.INVALID_COUNTRY_CODE if invalid_code else too
    result: int = phonenumbers.is_possible_number_with_reason(number)
    return result
