"""Dates and times as a number format shows them: days since an epoch, in words."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from scheduler.ingest.read.sheets.format_codes import Kind, Section, Token

#: Beyond 31 December 9999 nothing is shown.
_LAST_DAY: Final = 2_958_465
_EPOCH: Final = date(1899, 12, 30)
_DAYS_TO_1904: Final = 1462
_SECONDS: Final = 86_400


class _Moment(NamedTuple):
    """A serial number taken apart. `days` are whole ones since the file's epoch, `seconds` those of
    the day, `fraction` the digits behind.
    """

    days: int
    year: int
    month: int
    day: int
    weekday: int
    seconds: int
    fraction: str


def date_writer(section: Section, *, since_1904: bool) -> Callable[[float], str | None]:
    """A function from a serial number to its text; None for what is no date.

    A date that `is_foreign` is written in numbers, year first.
    """
    tokens = _minutes_told(section.tokens)
    if is_foreign(section):
        tokens = _neutral(tokens)
    places = min(sum(token.kind is Kind.DIGIT for token in tokens), 6)
    spoken = section.language if section.language in _MONTHS else "en"
    names = _MONTHS[spoken], _DAYS[spoken]
    exact = any(t.value[:1] == "s" for t in tokens if t.kind in (Kind.DATE, Kind.ELAPSED))
    half = any(t.kind is Kind.HALF for t in tokens)

    def write(serial: float) -> str | None:
        moment = _moment(serial, places=places, exact=exact, since_1904=since_1904)
        if moment is None:
            return None
        return "".join(_piece(token, moment, names, half=half) for token in tokens)

    return write


def is_foreign(section: Section) -> bool:
    """Whether the section shows a calendar, or names in a language, that are not known here."""
    shown = {token.value for token in section.tokens if token.kind is Kind.DATE}
    if section.foreign or section.language in ("", "en"):
        return section.foreign
    short = not shown.isdisjoint(("mmm", "ddd", "mmmmm"))
    named = not shown.isdisjoint(("mmmm", "dddd"))
    return short or (named and section.language not in _MONTHS)


def _minutes_told(tokens: list[Token]) -> list[Token]:
    """`m` behind hours or before seconds is `n`: minutes. A point and zeros are a fraction."""
    told: list[Token] = []
    timed = [i for i, t in enumerate(tokens) if t.kind in (Kind.DATE, Kind.ELAPSED)]
    for index, token in enumerate(tokens):
        kind, value = token
        if kind is Kind.DATE and value in ("m", "mm"):
            place = timed.index(index)
            before = tokens[timed[place - 1]].value[0] if place else ""
            after = tokens[timed[place + 1]].value[0] if place + 1 < len(timed) else ""
            if before == "h" or after == "s":
                value = value.replace("m", "n")
        elif kind is Kind.DIGIT:
            kind = Kind.DIGIT if value == "0" and _behind_point(tokens, index) else Kind.LITERAL
        elif kind is Kind.POINT:
            following = tokens[index + 1] if index + 1 < len(tokens) else None
            kind = Kind.POINT if following == (Kind.DIGIT, "0") else Kind.LITERAL
        elif kind in (Kind.COMMA, Kind.PERCENT, Kind.SLASH, Kind.TEXT, Kind.EXPONENT):
            kind = Kind.LITERAL
        told.append(Token(kind, value))
    return told


def _behind_point(tokens: list[Token], index: int) -> bool:
    while index and tokens[index].kind is Kind.DIGIT:
        index -= 1
    return tokens[index].kind is Kind.POINT


def _neutral(tokens: list[Token]) -> list[Token]:
    """Year, month and day in numbers, then the time as it was."""
    day = [
        Token(Kind.DATE, "yyyy"),
        Token(Kind.LITERAL, "-"),
        Token(Kind.DATE, "mm"),
        Token(Kind.LITERAL, "-"),
        Token(Kind.DATE, "dd"),
    ]
    timed = [i for i, t in enumerate(tokens) if t.kind is Kind.DATE and t.value[0] in "hns"]
    return [*day, Token(Kind.LITERAL, " "), *tokens[timed[0] :]] if timed else day


def _moment(serial: float, *, places: int, exact: bool, since_1904: bool) -> _Moment | None:
    shift = _DAYS_TO_1904 if since_1904 else 0
    if not 0 <= serial < _LAST_DAY + 1 - shift:
        return None
    days = int(serial)
    units: int = 10**places
    ticks = Decimal(repr(serial - days)) * _SECONDS * units
    if exact:
        whole = int(ticks.quantize(Decimal(1), ROUND_HALF_UP))
    else:  # what is not shown is left off, but for what binary fractions cannot hold
        whole = int(ticks + Decimal("0.001"))
    if whole >= _SECONDS * units:
        days, whole = days + 1, whole - _SECONDS * units
    if days + shift > _LAST_DAY:
        return None
    seconds, fraction = divmod(whole, units)
    behind = f"{fraction:0{places}d}" if places else ""
    return _Moment(days, *_calendar(days + shift), seconds, behind)


def _calendar(days: int) -> tuple[int, int, int, int]:
    """Year, month, day, weekday (Sunday 0). Lotus took 1900 for a leap year; all follow it."""
    if days == 60:
        return 1900, 2, 29, 3
    if days == 0:
        return 1900, 1, 0, 6
    day = _EPOCH + timedelta(days + (days < 60))
    return day.year, day.month, day.day, (days - 1) % 7


_Names = tuple[tuple[str, ...], tuple[str, ...]]


def _piece(token: Token, moment: _Moment, names: _Names, *, half: bool) -> str:
    kind, value = token
    if kind is Kind.DATE:
        letter = value[0]
        if letter in "hns":
            return _clock(letter, len(value), moment.seconds, half=half)
        return _day(letter, len(value), moment, names)
    if kind is Kind.ELAPSED:
        unit = {"h": 3600, "m": 60, "s": 1}[value[0]]
        total = moment.days * _SECONDS + moment.seconds
        return f"{total // unit:0{len(value)}d}"
    if kind is Kind.HALF:
        mark = "PM" if moment.seconds >= _SECONDS // 2 else "AM"
        return mark if value == "am/pm" else mark[0]
    if kind is Kind.DIGIT:
        return ""
    return f".{moment.fraction}" if kind is Kind.POINT else value


def _clock(letter: str, width: int, seconds: int, *, half: bool) -> str:
    number = {"h": seconds // 3600, "n": seconds // 60 % 60, "s": seconds % 60}[letter]
    if letter == "h" and half:
        number = number % 12 or 12
    return f"{number:0{min(width, 2)}d}"


def _day(letter: str, width: int, moment: _Moment, names: _Names) -> str:
    if letter == "y":
        return f"{moment.year % 100:02d}" if width < 3 else f"{moment.year:04d}"
    number, name = moment.day, names[1][moment.weekday]
    if letter == "m":
        number, name = moment.month, names[0][moment.month - 1]
    if width < 3:
        return f"{number:0{width}d}"
    if width == 3:
        return name[:3]
    return name[0] if (letter, width) == ("m", 5) else name


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_MONTHS: Final = {
    "en": _words(
        "January February March April May June July August September October November December"
    ),
    "de": _words(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
    ),
    "es": _words(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    ),
    "fr": _words(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
    ),
    "it": _words(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
        "dicembre"
    ),
    "nl": _words(
        "januari februari maart april mei juni juli augustus september oktober november december"
    ),
    "pt": _words(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"
    ),
}
_DAYS: Final = {
    "en": _words("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
    "de": _words("Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag"),
    "es": _words("domingo lunes martes miércoles jueves viernes sábado"),
    "fr": _words("dimanche lundi mardi mercredi jeudi vendredi samedi"),
    "it": _words("domenica lunedì martedì mercoledì giovedì venerdì sabato"),
    "nl": _words("zondag maandag dinsdag woensdag donderdag vrijdag zaterdag"),
    "pt": _words("domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado"),
}
