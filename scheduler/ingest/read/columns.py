"""Which column is what: the phone number's, the time zone's, the placeholders'.

A column is taken as the phone number's only when its name leaves no doubt. Names that surely mean
one (phone, mobile, msisdn …) come before names that may (number, to, contact); two of a kind are
never chosen between, not even `phone` and `mobile`: the caller names one.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from shared.domain.template import find, key, refuse_twins
from shared.errors import Refused

CODE_COLUMN: Final = "volley_code"
VALUE_COLUMN: Final = "volley_value"
#: Added by the reject file (rejects.write_rejects), no columns of the campaign when it comes back.
OWN_COLUMNS: Final = (
    "volley_row",
    "volley_column",
    VALUE_COLUMN,
    CODE_COLUMN,
    "volley_reason",
    "volley_fix",
)

#: Which file the row was rejected from; where there is one to name.
ORIGIN_COLUMN: Final = "volley_file"


def phone_index(header: Sequence[str], *, named: str | None, first: Sequence[str] = ()) -> int:
    """The index of the phone column, `named` or found by its name.

    `first` is the first record, for a better message. Raises Refused no_header, no_phone_column,
    which_phone_column, unknown_column, ambiguous_column, duplicate_columns.
    """
    if named:
        return find(named, header, called="column")
    for kind in (_SURELY, _PERHAPS):
        found = [i for i, name in enumerate(header) if kind.fullmatch(_plain(name))]
        if len(found) == 1:
            return found[0]
        refuse_twins(header, found)
        if found:
            names = [header[index] for index in found]
            raise Refused(
                "which_phone_column",
                f"Several columns may hold the phone number: {', '.join(names)}. "
                f'Name the one to text as phone column (such as "{names[0]}").',
                details={"columns": names},
            )
    raise _none_found(header, first)


def is_phone_name(name: str) -> bool:
    """True for a column name that means, or may mean, a phone number."""
    plain = _plain(name)
    return bool(_SURELY.fullmatch(plain) or _PERHAPS.fullmatch(plain))


class Place(StrEnum):
    """What a column says where a number is: its calling code, a country's, or an address's."""

    CALLING_CODE = "calling code"
    COUNTRY_CODE = "country code"
    COUNTRY = "country"


class Beside(NamedTuple):
    """The columns beside the phone number's that say where it is, by index, if there are any."""

    country: int | None = None
    says: Place = Place.COUNTRY
    area: int | None = None


def columns_beside(header: Sequence[str], *, phone: int) -> Beside:
    """The column of calling codes, else that of countries, and the column of area codes.

    Raises Refused which_code_column where several say calling code and not one of them names the
    phone column, which has index `phone`.
    """
    plain = [_plain(name) for name in header]

    def found(kind: re.Pattern[str]) -> list[int]:
        matching = [i for i, name in enumerate(plain) if i != phone and kind.fullmatch(name)]
        own = [index for index in matching if plain[index].startswith(plain[phone])]
        return own if len(own) == 1 else matching

    areas = found(_AREA_CODE)
    area = areas[0] if len(areas) == 1 else None
    for says, kind in _PLACES.items():
        indexes = found(kind)
        if len(indexes) > 1 and says is not Place.COUNTRY:
            names = [header[index] for index in indexes]
            raise Refused(
                "which_code_column",
                f"Several columns may hold the calling code of “{header[phone]}”: "
                f"{', '.join(names)}. Rename or delete those that do not.",
                details={"columns": names},
            )
        if len(indexes) == 1:
            return Beside(indexes[0], says, area)
    return Beside(area=area)


def named_index(header: Sequence[str], named: str | None) -> int | None:
    """The index of a column the caller named. Raises Refused unknown_column, ambiguous_column."""
    return find(named, header, called="column") if named else None


def told_apart(header: Sequence[str]) -> list[str]:
    """The names, each once: a second “Note” is “Note (2)”. Columns without a name have none."""
    taken = set(header)
    used: set[str] = set()
    numbers: dict[str, int] = {}
    apart: list[str] = []
    for name in header:
        new = name
        while name and (new in used or (new != name and new in taken)):
            numbers[name] = numbers.get(name, 1) + 1
            new = f"{name} ({numbers[name]})"
        used.add(new)
        apart.append(new)
    return apart


_SURELY: Final = re.compile(
    r"""
    (?:contact|primary|main|customer|client|recipient|user|lead|guest|patient|member|sms|to|your)?
    (?:phone|mobile|cell|cellular|tel|telephone|handphone|mob|ph|whatsapp|fon|telefon|telephon)
    (?:phone|telephone|tel|telefon)?
    (?:no|nr|num|nbr|number|numbers|nummer|e164|1)?
    | msisdn | e164 | handy (?:nr|nummer)? | mobil (?:nr|nummer|telefon|funk)? | gsm (?:no|number)?
    | sms (?:no|number)? | to (?:no|number) | telefono | numerodetelefono | celular | movil
    | cellulare | portable | numerodetelephone
    """,
    re.VERBOSE,
)
_PLACES: Final = {
    Place.CALLING_CODE: re.compile(
        r"""
        (?:phone|mobile|cell|tel|telephone|contact|whatsapp|sms|number|msisdn)?
        (?:
            (?:country|international|intl)?(?:calling|call|dial|dialing|dialling)(?:code|prefix)
            | (?:international|intl)(?:code|prefix) | isd(?:code)? | idd(?:code)?
        )
        | (?:phone|mobile|cell|tel|telephone|contact|whatsapp|sms|number|msisdn)
          (?:number|no)?country(?:code|prefix)?
        | (?:phone|mobile|cell|tel|telephone)(?:number|no)?(?:code|cc)
        | (?:internationale)?(?:landes|lander|laender)vorwahl | indicatif(?:pays|telephonique)?
        | prefijo(?:internacional|pais|delpais) | prefissointernazionale
        | indicativo(?:pais|dopais|internacional)
        """,
        re.VERBOSE,
    ),
    Place.COUNTRY_CODE: re.compile(
        "country(?:code|prefix)|codigo(?:de|del|do)?pais|codepays|codicepaese"
        "|landcode|land(?:s|e|en)?(?:kode|kod|code|nummer)"
    ),
    Place.COUNTRY: re.compile(
        "country|(?:country)?iso2?|iso(?:country)?(?:code)?|country(?:iso2?|alpha2)(?:code)?"
        "|pays|pais|paese"
    ),
}
_AREA_CODE: Final = re.compile(
    "(?:phone|mobile|cell|tel|telephone)?(?:areacode|citycode|stdcode|prefix|prefijo|prefisso)"
    "|(?:orts|tel|telefon|handy)?vorwahl|ddd|lada|kengetal|netnummer|riktnummer"
)
_PERHAPS: Final = re.compile(
    "number|num|to|contact|contactno|contactnumber|recipient|recipientnumber|destination"
)
_A_NUMBER: Final = re.compile(r"'?\+?[\d().\-\s]{8,}", re.ASCII)


def _plain(name: str) -> str:
    """A name's letters and digits without accents: `Téléphone (mobile)` → telephonemobile."""
    apart = unicodedata.normalize("NFD", key(name))
    return "".join(char for char in apart if not unicodedata.combining(char))


def _none_found(header: Sequence[str], first: Sequence[str]) -> Refused:
    columns = [name for name in header if name]
    if any(_A_NUMBER.fullmatch(name) for name in columns):
        return Refused(
            "no_header",
            "The first line holds a phone number where the columns' names should be. "
            "Put a line with their names above it, such as: phone,first_name",
        )
    likely = [
        name
        for name, cell in zip(header, first, strict=False)
        if name and _A_NUMBER.fullmatch(cell)
    ]
    hint = (
        f'name its column as phone column, perhaps "{likely[0]}"' if likely else "name its column"
    )
    return Refused(
        "no_phone_column",
        f"No column is called phone, mobile, number or the like. Rename the one with the numbers "
        f"to phone, or {hint}. The columns are {', '.join(columns[:50])}.",
        details={"columns": columns[:50], "suggestion": likely[0] if likely else None},
    )
