"""Numbers as a number format shows them: digits put into the places of a section."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from itertools import takewhile
from math import isfinite
from typing import Final

from scheduler.ingest.read.sheets.format_codes import Kind, Section, Token

#: Digits a spreadsheet keeps of a number; all others are zeros.
PRECISION: Final = 15
_EXACT: Final = Context(prec=PRECISION, rounding=ROUND_HALF_UP)
_WIDE: Final = Context(prec=700, rounding=ROUND_HALF_UP)

#: Whole numbers with so many digits may be phone numbers.
_PHONE_DIGITS: Final = 8
#: Characters of a number in General, its point among them.
COLUMN: Final = 11


def general(value: float) -> str:
    """A number without a format: all digits of a whole one, some eleven characters of others."""
    size = abs(value)
    if not isfinite(value):
        return "#NUM!"
    if size < 10**PRECISION and value == int(value):
        return str(int(value))
    if not 1e-4 <= size < 1e11:
        return _scientific(value)
    whole = len(str(int(size)))
    shown = f"{_kept(value):.{max(COLUMN - 1 - whole, 0)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def with_all_digits(shown: str, value: float) -> str:
    """`shown`, or all digits of a whole number that may be a phone's and lost some of them."""
    size = abs(value)
    if not 10 ** (_PHONE_DIGITS - 1) <= size < 10**PRECISION or size != int(size):
        return shown
    digits = str(int(size))
    kept = digits in "".join(char for char in shown if char in "0123456789")
    return shown if kept else general(value)


def _scientific(value: float) -> str:
    mantissa, _, exponent = f"{_kept(value):.5E}".partition("E")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}E{exponent[0]}{int(exponent[1:]):02d}"


def _kept(value: float) -> Decimal:
    return _EXACT.create_decimal(repr(value))


def number_writer(section: Section) -> Callable[[float], str]:
    """A function from a number, not negative, to its text."""
    tokens = section.tokens
    kinds = [token.kind for token in tokens]
    if Kind.GENERAL in kinds or not section.has(Kind.DIGIT, Kind.POINT):
        return _around(tokens)
    if Kind.EXPONENT in kinds:
        return _with_exponent(tokens, kinds.index(Kind.EXPONENT))
    if Kind.SLASH in kinds and Kind.DIGIT in kinds[: kinds.index(Kind.SLASH)]:
        return _with_fraction(tokens, kinds.index(Kind.SLASH))
    return _plain(tokens)


def _around(tokens: list[Token]) -> Callable[[float], str]:
    """Text, and the number where the code says General."""

    def write(value: float) -> str:
        shown = general(value)
        return "".join(
            shown if token.kind in (Kind.GENERAL, Kind.TEXT) else token.value for token in tokens
        )

    return write


def _plain(tokens: list[Token]) -> Callable[[float], str]:
    whole, behind = _halves(tokens)
    places = _count(behind)
    percents = sum(token.kind is Kind.PERCENT for token in tokens)
    thousands = _thousands(whole)
    scale = 2 * percents - 3 * _scaling(tokens)

    def write(value: float) -> str:
        with localcontext(_WIDE):
            exact = _kept(value).scaleb(scale)
            shown = f"{exact.quantize(Decimal(1).scaleb(-places)):f}"
        left, _, right = shown.partition(".")
        return _left(whole, left.lstrip("0"), thousands=thousands) + _right(behind, right)

    return write


def _halves(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """What is before the first point, and what comes from there on."""
    whole = list(takewhile(lambda token: token.kind is not Kind.POINT, tokens))
    return whole, tokens[len(whole) :]


def _count(tokens: list[Token]) -> int:
    return sum(token.kind is Kind.DIGIT for token in tokens)


def _thousands(whole: list[Token]) -> bool:
    """Whether a comma stands between two digits."""
    marks = [token.kind for token in whole if token.kind in (Kind.DIGIT, Kind.COMMA)]
    inner = marks[marks.index(Kind.DIGIT) :] if Kind.DIGIT in marks else []
    while inner and inner[-1] is Kind.COMMA:
        inner.pop()
    return Kind.COMMA in inner


def _scaling(tokens: list[Token]) -> int:
    """Commas right behind the last digit: each divides by a thousand."""
    behind = list(takewhile(lambda token: token.kind is not Kind.DIGIT, reversed(tokens)))
    return len(list(takewhile(lambda token: token.kind is Kind.COMMA, reversed(behind))))


def _left(whole: list[Token], digits: str, *, thousands: bool) -> str:
    """The digits in their places, from the right; the first place takes all that are over."""
    first = next((i for i, token in enumerate(whole) if token.kind is Kind.DIGIT), None)
    waiting = list(digits)
    written: list[str] = []
    placed = 0
    for index in range(len(whole) - 1, -1, -1):
        kind, value = whole[index]
        if kind is not Kind.DIGIT:
            written.append("" if kind is Kind.COMMA else value)
            continue
        while True:
            digit = waiting.pop() if waiting else {"0": "0", "?": " "}.get(value, "")
            if thousands and placed and placed % 3 == 0 and digit.strip():
                written.append(",")
            written.append(digit)
            placed += 1
            if index != first or not waiting:
                break
    if first is None and waiting:
        written += reversed(waiting)
    return "".join(reversed(written))


def _right(behind: list[Token], digits: str) -> str:
    """The point and the digits behind it; zeros at the end only where the code asks for them."""
    needed = len(digits.rstrip("0"))
    written: list[str] = []
    place = 0
    for kind, value in behind:
        if kind is not Kind.DIGIT:
            written.append("" if kind is Kind.COMMA else value)
            continue
        digit = digits[place]
        if place >= needed and value != "0":
            digit = " " if value == "?" else ""
        written.append(digit)
        place += 1
    return "".join(written)


def _with_exponent(tokens: list[Token], at: int) -> Callable[[float], str]:
    whole, behind = _halves(tokens[:at])
    step, places = max(_count(whole), 1), _count(behind)
    sign = tokens[at].value
    power = tokens[at + 1 :]

    def write(value: float) -> str:
        with localcontext(_WIDE):
            exact = _kept(value)
            exponent = exact.adjusted() if exact else 0
            exponent -= exponent % step
            mantissa = exact.scaleb(-exponent).quantize(Decimal(1).scaleb(-places))
            if mantissa >= Decimal(10) ** step:
                exponent += step
                mantissa = exact.scaleb(-exponent).quantize(Decimal(1).scaleb(-places))
        left, _, right = f"{mantissa:f}".partition(".")
        before = "-" if exponent < 0 else "+" if sign == "+" else ""
        shown = _left(whole, left.lstrip("0"), thousands=False) + _right(behind, right)
        return f"{shown}E{before}{_left(power, str(abs(exponent)), thousands=False)}"

    return write


def _with_fraction(tokens: list[Token], at: int) -> Callable[[float], str]:
    """`# ?/?` and `?/8`: a whole number if there is a place for it, and a fraction."""
    above = at - 1
    while above > 0 and tokens[above - 1].kind is Kind.DIGIT:
        above -= 1
    whole, below = tokens[:above], tokens[at + 1 :]
    tail = "".join(token.value for token in below if token.value.strip("#?0123456789"))
    below_line = "".join(token.value for token in below if not token.value.strip("#?0123456789"))
    fixed = int(below_line) if below_line.isdecimal() else 0
    most = 10 ** min(max(len(below_line), 1), 4) - 1
    mixed = _count(whole) > 0

    def write(value: float) -> str:
        exact = Fraction(_kept(value))
        rest = exact % 1 if mixed else exact
        if fixed:
            upper, lower = int((rest * fixed + Fraction(1, 2)).__floor__()), fixed
        else:
            near = rest.limit_denominator(most)
            upper, lower = near.numerator, near.denominator
        left = int(exact - rest) if mixed else 0
        if mixed and upper == lower:
            left, upper = left + 1, 0
        shown = _left(whole, str(left).lstrip("0"), thousands=False) if mixed else ""
        if not upper and mixed:
            return (shown.strip() or "0") + tail
        return f"{shown}{upper}/{lower}{tail}"

    return write
