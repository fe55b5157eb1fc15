"""Numbers by the column: the answers of the careful way, in every country."""

import random

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from shared.domain.numbering import national, plainly_valid, surely_valid
from shared.domain.phone import PhoneError, normalise
from shared.domain.phone_column import plain_numbers

_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def _examples(region: str) -> list[str]:
    kinds = PhoneNumberType.values()
    found = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return [phonenumbers.format_number(n, PhoneNumberFormat.E164) for n in found if n]


def _disturbed(e164: str, dice: random.Random) -> str:
    """A number that begins like this one and goes on anyhow, now and then too short or too long."""
    kept = dice.randrange(3, len(e164) + 1)
    rest = len(e164) - kept + dice.choice([0, 0, 0, 0, 1, -1])
    return e164[:kept] + "".join(dice.choice("0123456789") for _ in range(rest))


@pytest.mark.parametrize("region", _REGIONS)
def test_what_is_surely_valid_is_valid(region: str) -> None:
    dice = random.Random(region)
    numbers = [_disturbed(e164, dice) for e164 in _examples(region) for _ in range(30)]

    sure = surely_valid(numbers)

    wrong = [n for n, is_sure in zip(numbers, sure, strict=True) if is_sure and not _valid(n)]
    assert wrong == []


def _valid(e164: str) -> bool:
    return plainly_valid(e164) or phonenumbers.is_valid_number(phonenumbers.parse(e164))


def test_nearly_all_mobile_numbers_are_settled_by_their_first_digits() -> None:
    mobiles = [
        phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for region in ("US", "CA", "FR", "GB", "DE", "IN", "AU", "BR", "MX", "ES")
        if (number := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE))
    ]

    assert sum(surely_valid(mobiles)) >= len(mobiles) - 2


_PIECES = st.sampled_from(
    ["+1", "1", "+44", "0", "00", "7911", "202555", "5551230000", "0123", "(", ")", "-", "+", "x"]
) | st.sampled_from(["O", "٣", "_", "=", "5", "+49151", "'", "1.5E+10", " ", "\n", "\u200b"])
_CELLS = st.lists(st.lists(_PIECES, max_size=5).map("".join), max_size=6)


@settings(max_examples=400)
@given(cells=_CELLS, region=st.sampled_from(["US", "GB", "FR", "DE", "IT", "XX"]))
def test_a_plain_number_is_what_the_careful_way_makes_of_the_cell(
    cells: list[str], region: str
) -> None:
    found = plain_numbers(cells, region)

    assert len(found) == len(cells)
    for cell, number in zip(cells, found, strict=True):
        if number:
            assert number == normalise(cell, region)


@pytest.mark.parametrize(
    ("cell", "region", "number"),
    [
        ("+12025550123", "US", "+12025550123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("12025550123", "US", "+12025550123"),
        ("07911 123456", "GB", "+447911123456"),
        ("+447911123456", "US", "+447911123456"),
        ("+1202555O123", "US", ""),
        ("+1202555012", "US", ""),
        ("447911123456", "GB", ""),
        ("", "US", ""),
    ],
)
def test_plain_cells_are_told_from_those_that_want_care(
    cell: str, region: str, number: str
) -> None:
    beside = ["+12025550100", "(202) 555-0101"]

    assert plain_numbers([cell], region) == [number]
    assert plain_numbers([beside[0], cell, beside[1]], region)[1] == number


def test_one_odd_cell_costs_the_others_nothing() -> None:
    cells = ["+12025550100", "+1202555O101", "+12025550102"]

    assert plain_numbers(cells, "US") == ["+12025550100", "", "+12025550102"]


@pytest.mark.parametrize("region", _REGIONS)
def test_numbers_dialled_at_home_are_read_alike_one_by_one_and_together(region: str) -> None:
    dialled = [
        "".join(filter(str.isdigit, phonenumbers.format_number(n, PhoneNumberFormat.NATIONAL)))
        for kind in PhoneNumberType.values()
        if (n := phonenumbers.example_number_for_type(region, kind))
    ]

    for cell, number in zip(dialled, plain_numbers(dialled, region), strict=True):
        assert number in ("", _careful(cell, region))
    assert len(national(dialled, region)) == len(dialled)


def _careful(cell: str, region: str) -> str | PhoneError:
    try:
        return normalise(cell, region)
    except PhoneError as fault:
        return fault
