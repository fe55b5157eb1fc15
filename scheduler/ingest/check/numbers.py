"""The numbers of a file's rows: the phone column, read with what columns beside it say.

Many files keep the calling code in a column of its own (`country_code,phone`), or the area code, or
the country of the address. A number without an international prefix is read as one of that country;
a number that contradicts its calling or area code is refused. None of them is passed over.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, country_code_for_region

from scheduler.ingest.read.columns import Beside, Place
from scheduler.ingest.read.warnings import Warnings
from shared.domain.numbering import NOWHERE, as_region, is_region
from shared.domain.phone import AMBIGUOUS, INVALID, PhoneError, normalise
from shared.domain.phone_column import plain_numbers


class Numbers:
    """Reads the phone numbers of a file. `region` is that of numbers whose row says no country.

    `phone` is the index of their column, `beside` the columns that say where they are.
    """

    def __init__(
        self,
        header: Sequence[str],
        *,
        phone: int,
        region: str,
        beside: Beside | None = None,
        warnings: Warnings | None = None,
    ) -> None:
        self._header = header
        self._warnings = warnings
        self._warned = False
        self._phone = phone
        self._region = region
        self._beside = beside or Beside()

    def plain(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Each row's number in E.164; "" for one that is not plain: ask `one`."""
        cells = columns[self._phone]
        country, area = self._beside.country, self._beside.area
        if country is None:
            numbers = plain_numbers(cells, self._region)
        else:
            numbers = [""] * len(cells)
            for place, number in self._by_country(cells, columns[country]):
                numbers[place] = number
        if area is None:
            return numbers
        return [
            number if cell[:1] == "+" or not _contradicts(said, number) else ""
            for cell, number, said in zip(cells, numbers, columns[area], strict=True)
        ]

    def one(self, cells: Sequence[str]) -> str:
        """The number of a row with these cells. Raises PhoneError."""
        raw = _cell(cells, self._phone)
        country = self._country_of(cells)
        if country is None and not _is_international(raw):
            self._warn_of_unread(_cell(cells, self._beside.country))
        if country is None or not raw.strip():
            number = normalise(raw, self._region)
        elif country is _UNCLEAR:
            number = self._without_country(raw, cells)
        else:
            number = self._in_country(raw, country)
        area = _cell(cells, self._beside.area)
        if not _is_international(raw) and _contradicts(area, number):
            name = self._header[self._beside.area or 0]
            raise PhoneError(
                AMBIGUOUS,
                f"“{name}” says {area.strip()}, and the number would be {number}.",
                "Write the whole number in one cell, with + and the country code.",
            )
        return number

    def region_of(self, cells: Sequence[str]) -> str:
        """The country that a row's number is read in, if it has no country code."""
        country = self._country_of(cells)
        return country.region if country and country.region else self._region

    def _country_of(self, cells: Sequence[str]) -> "_Country | None":
        return _country(_cell(cells, self._beside.country), self._region, self._beside.says)

    def _by_country(self, cells: Sequence[str], said: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The plain numbers, by place."""
        places: dict[str, list[int]] = {}
        for place, words in enumerate(said):
            places.setdefault(words, []).append(place)
        for words, rows in places.items():
            country = _country(words, self._region, self._beside.says)
            if country is _UNCLEAR:
                continue
            some = [cells[row] for row in rows]
            if country is None and not all(map(_is_international, some)):
                self._warn_of_unread(words)
            region = country.region if country else self._region
            for row, cell, number in zip(rows, some, plain_numbers(some, region), strict=True):
                if country is None or country.fits(cell, number):
                    yield row, number

    def _warn_of_unread(self, words: str) -> None:
        if words.strip() and self._warnings is not None and not self._warned:
            self._warned = True
            self._warnings.add(
                "country_not_read",
                f"{self._name} holds words that are not read, such as “{words.strip()[:40]}”: "
                f"numbers without + are taken for {self._region} numbers.",
                fix=f"Write two letters such as GB in {self._name}, or + and the country code "
                "before the numbers.",
            )

    def _in_country(self, raw: str, country: "_Country") -> str:
        number = normalise(country.joined(raw), country.region)
        if not number.startswith(country.prefix):
            raise PhoneError(
                AMBIGUOUS,
                f"{self._name} says {country.prefix}, and the number is {number}.",
                f"Correct {self._name} or the number.",
            )
        if country.perhaps:
            self._refuse_two_readings(raw, number)
        return number

    def _without_country(self, raw: str, cells: Sequence[str]) -> str:
        """A number that needs no country, or none."""
        try:
            return normalise(raw, None)
        except PhoneError as fault:
            if fault.code != INVALID or "+" in raw:
                raise
        said = _cell(cells, self._beside.country).strip()
        raise PhoneError(
            INVALID,
            f"{self._name} says “{said[:40]}”, which is no country's code.",
            f"Write a calling code such as 44 or two letters such as GB in {self._name}, or the "
            "number with its + and country code.",
        )

    def _refuse_two_readings(self, raw: str, number: str) -> None:
        try:
            other = normalise(raw, self._region)
        except PhoneError:
            return
        if other != number:
            raise PhoneError(
                AMBIGUOUS,
                f"By {self._name} it is {number}, by the file's region {other}.",
                "Write the one that is meant with its plus.",
            )

    @property
    def _name(self) -> str:
        return f"“{self._header[self._beside.country or 0]}”"


class _Country(NamedTuple):
    """What a cell says: the number's region, and how it begins in E.164.

    `perhaps`: it is another country than the file's, and may be the address's, not the number's.
    """

    region: str
    prefix: str
    perhaps: bool = False

    def fits(self, cell: str, number: str) -> bool:
        """Whether a plain number leaves no doubt."""
        return number.startswith(self.prefix) and (not self.perhaps or cell[:1] == "+")

    def joined(self, raw: str) -> str:
        """`raw` behind its area code where that stands with the calling code (1-868)."""
        area = len(self.prefix) > _LONGEST_CODE
        return self.prefix + raw if area and sum(map(str.isdigit, raw)) == 7 else raw


#: A plus and three digits; what is longer has a North American area code in it.
_LONGEST_CODE: Final = 4
_UNCLEAR: Final = _Country("", "")
_CODE: Final = re.compile(r"(\+|00)?([1-9]\d{0,2}|1[- ]?[2-9]\d\d)(?:\.0+)?", re.ASCII)
_CODE_IN_WORDS: Final = re.compile(r"[^+\d]*(\+)(\d{1,3}|1[- ]?\d{3})[^+\d]*", re.ASCII)


@lru_cache(maxsize=1024)
def _country(said: str, region: str, says: Place) -> _Country | None:
    """What a cell says; None for nothing, _UNCLEAR for what cannot be understood.

    In an address's column words, and figures that may be anything's, say nothing.
    """
    text = said.strip(" \t'\"=()")
    address = says is Place.COUNTRY
    if not text:
        return None
    if found := _CODE.fullmatch(text) or _CODE_IN_WORDS.fullmatch(text):
        called = _called(re.sub(r"\D", "", found[2]), region)
        return None if address and (called is _UNCLEAR or not found[1]) else called
    named = as_region(text)
    if not is_region(named):
        return None if address else _UNCLEAR
    same = is_region(region) and _calling_code(named) == _calling_code(region)
    return _Country(named, "", perhaps=not same and says is not Place.CALLING_CODE)


def _called(digits: str, region: str) -> _Country:
    """The country with a calling code: the file's own where several share it."""
    code = 1 if len(digits) == _LONGEST_CODE else int(digits)
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    if not regions or code in NOWHERE:
        return _UNCLEAR
    own = is_region(region) and _calling_code(region) == code
    return _Country(region if own else regions[0], f"+{digits}")


def _calling_code(region: str) -> int:
    return int(country_code_for_region(region))


_AREA: Final = re.compile(r"\(?0*([1-9]\d{0,4})\)?(?:\.0)?", re.ASCII)


def _contradicts(area: str, number: str) -> bool:
    """Whether an area code does not stand behind the number's calling code."""
    found = _AREA.fullmatch(area.strip(" \t'\"="))
    if not found or not number:
        return False
    behind = (number[start:] for start in range(2, _LONGEST_CODE + 1))  # the calling code
    return not any(rest.removeprefix("0").startswith(found[1]) for rest in behind)


def _is_international(raw: str) -> bool:
    """Whether it needs no country: it says its own, or there is nothing to read."""
    text = raw.lstrip(" '(")
    return not text or text.startswith(("+", "00"))


def _cell(cells: Sequence[str], index: int | None) -> str:
    return cells[index] if index is not None and index < len(cells) else ""
