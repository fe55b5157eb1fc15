"""The number formats of an XLSX's cells, and what they make of a cell's stored text."""

from datetime import date, datetime, time, timedelta
from math import isfinite
from typing import IO, Final

from scheduler.ingest.read.sheets.format_codes import LONGEST
from scheduler.ingest.read.sheets.formats import Format, built_in, format_of
from scheduler.ingest.read.sheets.markup import each_element, refuse_odd
from scheduler.ingest.read.sheets.sheet import Doubt

#: Excel's own limit, of styles and of formats.
_MOST: Final = 65_536
_REMEMBERED: Final = 20_000


class Styles:
    """Shows numbers and texts by the index of their style, `""` for none."""

    def __init__(self, stream: IO[bytes] | None, *, since_1904: bool) -> None:
        self._since_1904 = since_1904
        self._codes: dict[str, str] = {}
        self._styles: list[str] = []
        if stream is not None:
            each_element(stream, self._take)
        self._formats: dict[str, Format] = {}
        self._as_is: set[str] = set()
        self._shown: dict[tuple[str, str], str] = {}

    def _take(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        if (name, parent) == ("numFmt", "numFmts"):
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[
                : LONGEST + 1
            ]
        elif (name, parent) == ("xf", "cellXfs"):
            self._styles.append(attributes.get("numFmtId", "0"))
        if max(len(self._codes), len(self._styles)) > _MOST:
            refuse_odd()

    def number(self, style: str, raw: str, row: int, doubt: Doubt) -> str:
        """A stored number as shown."""
        shown = self._formats.get(style) or self._format(style)
        if shown.quick is not None:
            text = shown.quick(raw)
            if text:
                return text
        if shown.local:
            doubt("local_date", row)
        if shown.foreign:
            doubt("foreign_date", row)
        known = self._shown.get((style, raw))
        if known is None:
            if len(self._shown) >= _REMEMBERED:
                self._shown.clear()
            known = self._shown[style, raw] = _shown(shown, raw)
        return known

    def text(self, style: str, text: str) -> str:
        """A text as shown."""
        if style in self._as_is:
            return text
        shown = self._formats.get(style) or self._format(style)
        return shown.text(text)

    def moment(self, style: str, raw: str, row: int, doubt: Doubt) -> str:
        """A date that is stored in ISO 8601, as shown; as stored where it is none."""
        try:
            days = _serial(raw, since_1904=self._since_1904)
        except ValueError:
            return raw
        return self.number(style, repr(days), row, doubt)

    def _format(self, style: str) -> Format:
        """The format of a style that was not met before."""
        index = int(style) if style.isdecimal() and len(style) < 6 else 0
        number = self._styles[index] if index < len(self._styles) else "0"
        key = int(number) if number.isdecimal() and len(number) < 6 else 0
        code = self._codes.get(number, built_in(key))
        if len(self._formats) > _MOST:
            refuse_odd()
        found = format_of(code, number=key, since_1904=self._since_1904)
        self._formats[style] = found
        if found.text is str:
            self._as_is.add(style)
        return found


def _shown(shown: Format, raw: str) -> str:
    try:
        value = float(raw)
    except ValueError:
        return raw
    return shown.number(value) if isfinite(value) else "#NUM!"


def _serial(raw: str, *, since_1904: bool) -> float:
    """Days since the epoch of a date, a time or both."""
    text = raw.strip().removesuffix("Z")
    if "T" not in text and ":" in text:
        moment = datetime.combine(date(1899, 12, 30), time.fromisoformat(text))
    else:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    days = (moment - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001 - no time zone
    return days - 1462 if since_1904 and days >= 1462 else days
