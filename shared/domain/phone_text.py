"""Undo, or refuse, what people and spreadsheets did to a number's text. Pure.

A change is undone if every digit is still there: a text mark (`'+1…`), a decimal
(`15551230000.0`), an exponent with all its digits (`1.5551230000E+10`). The number is refused if
digits are gone (`1.5551E+10`), if a character may be a digit or not (`1234567²`), or if the digits
may be the result of a formula (`-4153200001`).
"""

import re
import unicodedata
from typing import Final

from shared.domain.phone_error import AMBIGUOUS, INVALID, MISSING, PhoneError

#: Grouping characters between digits: `digits.translate(GROUPING)` removes them.
GROUPING: Final = str.maketrans("", "", " ()-")

#: A minus before or after the digits, brackets around all of them (an accountant's minus), dashes
#: for hidden digits. Removing them as grouping would lose their meaning.
NO_GROUPING: Final = re.compile(r"[ (]*-|.*---|.*[-)] *$", re.ASCII | re.DOTALL)

_SAYS_NOTHING: Final = frozenset(
    ["n/a", "na", "#n/a", "none", "null", "nil", "nan", "unknown", "tbd", "?", "-", "--", ".", "0"]
)
_QUOTES: Final = "'’‘`´\" \t\r\n"
_LABEL: Final = re.compile(
    r"(?:(?:tel|telephone|phone|mobile|mob|cell|ph|sms|smsto|callto|whatsapp)\b[.: ]*|p:\s*)"
    r"(?=[+(\d])",
    re.I,
)  # Facebook exports the numbers of its lead forms with p:


#: Characters of the longest cell that is examined. A cell with several numbers and names is
#: shorter.
_LONGEST: Final = 200


def tidied(raw: str) -> str:
    """The number's text in ASCII, with the changes above undone. Raises PhoneError."""
    raw = raw.strip()
    if len(raw) > _LONGEST:
        what = "too many digits" if raw.isdigit() else f"{len(raw):,} characters"
        raise PhoneError(
            INVALID,
            f"It has {what}; no phone number is so long.",
            "Keep the number, and move the rest to another column.",
        )
    text = _without_spreadsheet_marks(_cleaned(raw))
    _refuse_remains(text)
    _refuse_several(text)
    _refuse_extension(text)
    return text


def _cleaned(raw: str) -> str:
    """The text in ASCII, without invisible marks, quotes and labels, with ASCII digits."""
    text = raw if raw.isascii() else _in_ascii(raw.strip(_QUOTES))
    text = text.strip(_QUOTES)
    if text.startswith("=") and len(text) > 1:  # ="+15551230000", an export's guard
        text = text[1:].strip(_QUOTES)
    text = _LABEL.sub("", text, count=1) if text[:1].isalpha() else text
    if not text or text.lower() in _SAYS_NOTHING:
        raise PhoneError(MISSING, "There is no phone number.", "Add the number or delete the row.")
    return text


def _in_ascii(text: str) -> str:
    for char in text:
        _refuse_mark(char)
    return "".join(map(_ascii, unicodedata.normalize("NFKC", text)))


def _refuse_mark(char: str) -> None:
    """Refuse marks that Unicode normalising would change: ² and ① to digits, … to full stops."""
    if unicodedata.category(char) == "No" or unicodedata.decomposition(char).startswith(
        ("<super>", "<sub>")
    ):
        raise PhoneError(
            INVALID,
            f"It has a mark that may be a footnote's or a digit: {char}.",
            "Delete the mark; if a digit is meant, write it as one.",
        )
    if char in "…‥":
        raise PhoneError(AMBIGUOUS, "Some of its digits are hidden.", _WRITE_IT_OUT)


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
#: After a short number four digits may be grouping; after a long one they are decimals.
_DECIMAL: Final = re.compile(r"(-?\+?\d{7,})[.,](\d{1,3})|([1-9]\d{7,})[.,](\d+)", re.ASCII)
_FRACTION: Final = re.compile(r"0?\.\d{7,}", re.ASCII)
_GROUPED: Final = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,3}(?:'\d{3})+)(?:\.0+)?", re.ASCII)
_HIDDEN: Final = re.compile(r"#{2,}|[*•…]|x{2,}|\.{2,}|-{3,}", re.I)

_WRITE_IT_OUT: Final = (
    "Take the number from its source. In the spreadsheet, format the column as text before "
    "typing or importing it."
)


def _without_spreadsheet_marks(text: str) -> str:
    """Undo what a spreadsheet did, or refuse as ambiguous where it lost digits."""
    if match := _EXPONENT.fullmatch(text):
        return _without_exponent(*match.groups(default=""))
    if match := _DECIMAL.fullmatch(text):
        if (match[2] or match[4]).strip("0"):
            raise PhoneError(
                AMBIGUOUS, "It is a number with decimals; digits may be misplaced.", _WRITE_IT_OUT
            )
        return match[1] or match[3]
    if _FRACTION.fullmatch(text):
        raise PhoneError(AMBIGUOUS, "It is a fraction; digits may be misplaced.", _WRITE_IT_OUT)
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
    return sign + whole + fraction[:places]


#: `=+1-4153200001` leaves -4153200000, and these digits are not the number.
_OPERATOR: Final = re.compile(r"[\s(.]*[-/]|.*[-/]\s*$", re.DOTALL)
_IN_BRACKETS: Final = re.compile(r"\([1-9][\d,. ]*\)", re.ASCII)


def _refuse_remains(text: str) -> None:
    if _OPERATOR.match(text) or _IN_BRACKETS.fullmatch(text):
        raise PhoneError(
            INVALID,
            "It has a minus or an operator before or behind it, as what is left of a formula has; "
            "its digits may be a result.",
            _WRITE_IT_OUT,
        )


_BETWEEN: Final = re.compile(r"[,;|&\n/]|\bor\b|\band\b|\s(?=\+)", re.I)


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
