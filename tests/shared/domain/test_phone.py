"""Numbers as people and spreadsheets write them."""

from collections.abc import Callable
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from phonenumbers import NumberParseException, PhoneNumberFormat

from shared.domain import numbering
from shared.domain.phone import PhoneError, normalise


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+12025550123", None, "+12025550123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("202.555.0123", "us", "+12025550123"),
        ("07400 123456", "GB", "+447400123456"),
        ("+44 (0)7400 123456", None, "+447400123456"),
        ("0044 7400 123456", "US", "+447400123456"),
        ("0044 7400 123456", None, "+447400123456"),
        ("011 44 7400 123456", "US", "+447400123456"),
        ("+0044 7400 123456", None, "+447400123456"),
        ("030/12345678", "DE", "+493012345678"),
        ("tel:+1-202-555-0123", None, "+12025550123"),
        ("Mobile: 202-555-0123", "US", "+12025550123"),
        ("whatsapp:+12025550123", None, "+12025550123"),
        ("\u202a+1\u00a0202\u00a0555\u20110123\u202c", None, "+12025550123"),
        ("+12025550123\u200b", None, "+12025550123"),
        ("２０２５５５０１２３", "US", "+12025550123"),
        ("٠٧٤٠٠١٢٣٤٥٦", "GB", "+447400123456"),
    ],
)
def test_a_number_is_read_however_people_write_it(raw: str, region: str | None, e164: str) -> None:
    assert normalise(raw, region) == e164


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("'+15551230000", "US", "+15551230000"),
        ('="+15551230000"', "US", "+15551230000"),
        ("15551230000.0", "US", "+15551230000"),
        ("15551230000,00", "US", "+15551230000"),
        ("1.5551230000E+10", "US", "+15551230000"),
        ("1,5551230000e10", "US", "+15551230000"),
        ("1.55512300000E+10", "US", "+15551230000"),
        ("15,551,230,000", "US", "+15551230000"),
        ("7700900123", "GB", "+447700900123"),
        ("7.700900123E+9", "GB", "+447700900123"),
        ("707123456", "CI", "+2250707123456"),
        ("612345678", "IT", "+390612345678"),
    ],
)
def test_spreadsheet_damage_that_kept_every_digit_is_mended(
    raw: str, region: str, e164: str
) -> None:
    assert normalise(raw, region) == e164


@pytest.mark.parametrize(
    "raw",
    [
        "1.5551E+10",
        "1.555123E+10",
        "1,5551E+10",
        "2E+9",
        "1.55512300004E+10",
        "15551230000.5",
        "202555012.3",
        "#########",
        "+1555***0000",
        "+1 555 XXX 0000",
        "+12025550123 / +12025550124",
        "+12025550123 +12025550124",
        "2025550123, 2025550124",
        "2025550123 or 2025550124",
    ],
)
def test_a_number_that_lost_digits_is_refused_and_never_guessed(raw: str) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, "US")

    assert refused.value.code == "ambiguous_phone"
    assert refused.value.fix


@pytest.mark.parametrize("raw", ["", "  ", "\u00a0", "'", "N/A", "null", "-", "\u200b"])
def test_a_cell_that_says_nothing_is_a_missing_number(raw: str) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, "US")

    assert refused.value.code == "missing_phone"


@pytest.mark.parametrize(
    ("raw", "region", "hint"),
    [
        ("911", "US", "emergency"),
        ("112", "GB", "emergency"),
        ("+1911", None, "emergency"),
        ("72345", "US", "short code"),
        ("5551230", "US", "no area code"),
        ("202555012", "US", "too few digits"),
        ("+1 100 200 3000", "US", "area or network code"),
        ("+999123456789", "US", "country code"),
        ("2025550123", None, "no country code"),
        ("+12025550123 x123", None, "extension"),
        ("202-555-0123 ext. 5", "US", "extension"),
        ("1-800-FLOWERS", "US", "letters"),
        ("ana@example.org", "US", "not a phone number"),
        ("0" * 5000, "US", "too many digits"),
        ("+001555", None, ""),
        ("\ud800", "US", "not a phone number"),
    ],
)
def test_what_cannot_be_texted_is_invalid_and_says_why(
    raw: str, region: str | None, hint: str
) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, region)

    assert refused.value.code == "invalid_phone"
    assert hint in refused.value.reason
    assert refused.value.fix


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("555200001O", "There is a letter among the digits: O. Perhaps a zero?"),
        ("+1 202 555 o123", "There is a letter among the digits: o. Perhaps a zero?"),
        ("202555Ol23", "There are letters among the digits: O, l. Perhaps a zero and a one?"),
        ("202 S55 O12B", "There are letters among the digits: S, O, B. "
         "Perhaps a five and a zero and an eight?"),
        ("202555\u041e123", "There is a letter among the digits: \u041e. Perhaps a zero?"),
        ("202555OOO0", "There is a letter among the digits: O. Perhaps a zero?"),
        ("202555012A", "There is a letter among the digits: A."),
    ],
)  # fmt: skip
def test_a_letter_typed_for_a_digit_is_named_and_no_number_is_offered(
    raw: str, reason: str
) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, "US")

    assert (refused.value.code, refused.value.reason) == ("invalid_phone", reason)
    assert not any(map(str.isdigit, refused.value.fix))


def test_the_digits_of_a_vanity_number_are_asked_about() -> None:
    with pytest.raises(PhoneError) as refused:
        normalise("1-800-FLOWERS", "US")

    assert refused.value.fix.startswith("Is 1-800-3569377 meant?")


@pytest.mark.parametrize("raw", ["1-800-FL0WERS", "202 555 0123 Ana", "1-800-FLOWERSHOPS"])
def test_letters_that_spell_no_number_get_no_number_offered(raw: str) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, "US")

    assert refused.value.code == "invalid_phone"
    assert not any(map(str.isdigit, refused.value.fix))


def test_a_national_number_of_elsewhere_suggests_its_country() -> None:
    with pytest.raises(PhoneError) as refused:
        normalise("07911 123456", "US")

    assert "another country" in refused.value.fix
    assert "region" in refused.value.fix


def test_a_foreign_number_without_its_plus_is_not_guessed_but_pointed_out() -> None:
    with pytest.raises(PhoneError) as refused:
        normalise("447400123456", "US")

    assert refused.value.code == "invalid_phone"
    assert "+447400123456" in refused.value.fix


@pytest.mark.parametrize(
    "number",
    [
        "+15551230000",
        "+15550000000",
        "+15005550006",
        "+447700900123",
        "+441632960000",
        "+33639980123",
    ],
)
def test_numbers_kept_for_fiction_and_tests_are_accepted(number: str) -> None:
    assert normalise(number, None) == number


def test_an_italian_mobile_that_lost_a_digit_is_not_taken_for_a_landline() -> None:
    with pytest.raises(PhoneError) as refused:
        normalise("312345678", "IT")

    assert refused.value.code == "invalid_phone"


def _by_parsing(raw: str, region: str | None) -> Any:
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException:
        return None
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if valid else None


_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def _examples(region: str) -> list[str]:
    kinds = (phonenumbers.example_number_for_type(region, kind) for kind in range(11))
    return [phonenumbers.national_significant_number(n) for n in kinds if n]


def _typed_wrongly(digits: str, draw: Callable[..., Any]) -> str:
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(digits) - 1))
        digits = digits[:at] + draw(st.sampled_from("0123456789")) + digits[at + 1 :]
    return digits + draw(st.sampled_from(["", "", "", "7"]))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_quick_way_agrees_with_phonenumbers_in_every_country(data: DataObject) -> None:
    region = data.draw(st.sampled_from(_REGIONS))
    national = _typed_wrongly(data.draw(st.sampled_from(_examples(region))), data.draw)
    e164 = f"+{phonenumbers.country_code_for_region(region)}{national}"
    dialled = data.draw(st.sampled_from(["", "0", "1", "00"])) + national

    if numbering.plainly_valid(e164):
        assert _by_parsing(e164, None) == e164 or numbering.fictional(e164)
    plain = numbering.plainly_national(dialled, region)
    if plain is not None:
        assert _by_parsing(dialled, region) == plain or numbering.fictional(plain)


def test_the_quick_way_knows_the_numbers_of_every_country() -> None:
    known = [region for region in _REGIONS for n in _examples(region)[:1] if _is_quick(region, n)]

    assert len(known) > 0.9 * len(_REGIONS)
    assert {"US", "CA", "GB", "DE", "FR", "IN", "AU", "BR", "JM"} <= set(known)


def _is_quick(region: str, national: str) -> bool:
    return numbering.plainly_valid(f"+{phonenumbers.country_code_for_region(region)}{national}")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30), st.sampled_from(["US", "GB", None]))
def test_whatever_is_in_the_cell_it_is_a_number_or_a_reason(raw: str, region: str | None) -> None:
    try:
        number = normalise(raw, region)
    except PhoneError as refused:
        assert refused.code in {"missing_phone", "invalid_phone", "ambiguous_phone"}
    else:
        assert normalise(number, None) == number
