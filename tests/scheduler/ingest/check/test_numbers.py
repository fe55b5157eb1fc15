"""The phone column, read with the columns beside it that say where a number is."""

import pytest

from scheduler.ingest.check.numbers import Numbers
from scheduler.ingest.read.columns import columns_beside
from scheduler.ingest.read.warnings import Warnings
from shared.domain.phone import PhoneError
from shared.errors import Refused


def _read(header: str, *rows: tuple[str, str], region: str = "US") -> list[str]:
    """For each row its number or the code of its fault; the quick way must not say another."""
    names = header.split(",")
    phone = names.index("phone")
    beside = columns_beside(names, phone=phone)
    numbers = Numbers(names, phone=phone, region=region, beside=beside)
    told = [_one(numbers, row) for row in rows]
    plain = numbers.plain(list(zip(*rows, strict=True)))
    assert all(quick in ("", slow) for quick, slow in zip(plain, told, strict=True))
    return told


def _one(numbers: Numbers, row: tuple[str, str]) -> str:
    try:
        return numbers.one(row)
    except PhoneError as fault:
        assert fault.fix
        return fault.code


@pytest.mark.parametrize(
    "name",
    [
        "country_code", "Country Code", "CountryCode", "dial code", "Dialling Code", "calling_code",
        "Country Calling Code", "phone_country_code", "Phone Code", "ISD", "isd code", "Intl Code",
        "Ländervorwahl", "Indicatif pays", "Código de país", "Prefisso internazionale", "landcode",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "said", ["44", "+44", "0044", "44.0", "'+44", "(+44)", "UK +44", "GB", "uk"]
)
def test_a_calling_code_in_a_column_of_its_own_is_used(name: str, said: str) -> None:
    assert _read(f"{name},phone", (said, "7400 123456"), (said, "07400123456")) == [
        "+447400123456",
        "+447400123456",
    ]


def test_rows_of_several_countries_are_read_each_as_its_own() -> None:
    assert _read(
        "phone,country_code",
        ("(202) 555-0123", "1"),
        ("07400 123456", "44"),
        ("0171 3369876", "+49"),
        ("(202) 555-0124", ""),
        ("+447400123457", "44"),
        ("447400123458", "44"),
        ("8765551234", "1"),
        ("555-1234", "1-876"),
        ("8765551235", "1876"),
    ) == [
        "+12025550123",
        "+447400123456",
        "+491713369876",
        "+12025550124",
        "+447400123457",
        "+447400123458",
        "+18765551234",
        "+18765551234",
        "+18765551235",
    ]


@pytest.mark.parametrize(
    ("said", "phone"),
    [
        ("44", "+12025550123"),
        ("1", "+447400123456"),
        ("1-868", "8765551234"),
        ("1", "0044 7400 123456"),
    ],
)
def test_a_number_that_contradicts_its_calling_code_is_refused(said: str, phone: str) -> None:
    assert _read("country_code,phone", (said, phone)) == ["ambiguous_phone"]


@pytest.mark.parametrize("said", ["999", "United Kingdom", "USA", "0", "4407400", "-1", "881"])
def test_what_is_no_calling_code_is_asked_about_where_the_number_needs_one(said: str) -> None:
    rows = (said, "2025550123"), (said, "+12025550123"), (said, "0044 7400 123456"), (said, "")

    assert _read("country_code,phone", *rows) == [
        "invalid_phone",
        "+12025550123",
        "+447400123456",
        "missing_phone",
    ]


def test_a_national_number_that_exists_in_two_countries_is_not_guessed_by_the_address() -> None:
    both = "7012345678"  # in North Dakota and in India

    assert _read("country,phone", ("IN", both), ("IN", f"+1{both}"), ("US", both), ("", both)) == [
        "ambiguous_phone",
        f"+1{both}",
        f"+1{both}",
        f"+1{both}",
    ]
    assert _read("phone_country_code,phone", ("IN", both)) == [f"+91{both}"]


def test_a_national_number_is_one_of_its_addresss_country() -> None:
    assert _read("country,phone", ("GB", "07400 123456"), ("CA", "4165550123")) == [
        "+447400123456",
        "+14165550123",
    ]


@pytest.mark.parametrize("said", ["United States", "840", "1", "n/a"])
def test_an_address_in_words_or_figures_says_nothing_about_the_number(said: str) -> None:
    assert _read("country,phone", (said, "2025550123")) == ["+12025550123"]


def test_an_area_code_in_a_column_of_its_own_is_never_passed_over() -> None:
    assert _read(
        "Vorwahl,phone",
        ("0171", "3369876"),
        ("0171", "01713369876"),
        ("171", "+491713369876"),
        ("", "030 1234567"),
        ("Nord", "030 1234567"),
        region="DE",
    ) == ["ambiguous_phone", "+491713369876", "+491713369876", "+49301234567", "+49301234567"]
    assert _read("Area Code,phone", ("202", "2025550123"), ("415", "2025550123")) == [
        "+12025550123",
        "ambiguous_phone",
    ]


def test_two_columns_of_calling_codes_are_not_chosen_between() -> None:
    with pytest.raises(Refused) as refused:
        columns_beside(["dial_code", "calling_code", "phone"], phone=2)

    assert refused.value.code == "which_code_column"
    assert refused.value.details == {"columns": ["dial_code", "calling_code"]}


def test_the_calling_code_that_names_the_phone_column_is_its_own() -> None:
    header = ["mobile_country_code", "tel_country_code", "country", "mobile"]

    assert columns_beside(header, phone=3).country == 0


@pytest.mark.parametrize("name", ["code", "zip code", "city", "county", "land", "prefixes", "cc"])
def test_other_columns_say_nothing_about_numbers(name: str) -> None:
    assert columns_beside([name, "phone"], phone=1).country is None


def test_a_country_in_words_is_not_read_and_that_is_said() -> None:
    warnings = Warnings()
    header = ["country", "phone"]
    beside = columns_beside(header, phone=1)
    numbers = Numbers(header, phone=1, region="US", beside=beside, warnings=warnings)

    numbers.plain([["Germany", "France", ""], ["2025550123", "2025550124", "2025550125"]])

    (warning,) = warnings.found()
    assert warning.code == "country_not_read"
    assert "“Germany”" in warning.message
    assert "US numbers" in warning.message


@pytest.mark.parametrize(
    ("said", "number"), [("Germany", "+491713369876"), ("", "2025550123"), ("US", "2025550123")]
)
def test_a_country_that_is_read_or_not_needed_is_no_matter(said: str, number: str) -> None:
    warnings = Warnings()
    header = ["country", "phone"]
    beside = columns_beside(header, phone=1)
    numbers = Numbers(header, phone=1, region="US", beside=beside, warnings=warnings)

    numbers.plain([[said], [number]])

    assert warnings.found() == []
