"""What stands about the digits of a number: marks, signs, remains of formulas."""

import pytest

from shared.domain.phone import PhoneError, normalise
from shared.domain.phone_column import plain_numbers


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        (".+501 623-6848", "+5016236848"),
        ("(+501) 623-6848", "+5016236848"),
        (" +501 623-6848", "+5016236848"),
        ("'+501 623-6848", "+5016236848"),
        ("p:+15552000001", "+15552000001"),
        ("P: +5016236848", "+5016236848"),
        ("\uff0b501 623-6848", "+5016236848"),
        ("5552000001.0000", "+15552000001"),
        ("15552000001.00000", "+15552000001"),
        ("\u2121 +501 623-6848", "+5016236848"),
    ],
)
def test_what_stands_about_a_number_does_not_change_it(raw: str, e164: str) -> None:
    assert normalise(raw, "US") == e164


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("-4153200001", "US"),
        (" -4153200001", "US"),
        ("\u22124153200001", "US"),
        ("\u20134153200001", "US"),
        ("(-4153200001)", "US"),
        ("(4153200001)", "US"),
        ("4153200001-", "US"),
        ("4153200001 -", "US"),
        ("/4153200001", "US"),
        ("*4153200001", "US"),
        ("=-4153200001", "US"),
        ("-4.153200001E+9", "US"),
        ("-4153200001.0", "US"),
        ("-+501 623-6848", "US"),
        ("/+501 623-6848", "US"),
        ("1+5016236848", "US"),
        ("+1 +501 623-6848", "US"),
        ("+1+5016236848", "US"),
        ("00+44 7400 123456", "GB"),
        ("0.7400123456", "GB"),
        (".4153200001", "US"),
        ("5552000001.0001", "DE"),
        ("030 1234567\u00b2", "DE"),
        ("030 1234567\u2461", "DE"),
        ("030 1234567\u2082", "DE"),
        ("030 1234567\u24fd", "DE"),
        ("\u00b9 030 1234567", "DE"),
        ("\u207a501 623-6848", "US"),
        ("0301\u20264567", "DE"),
        ("0301...4567", "DE"),
        ("0301---4567", "DE"),
    ],
)
def test_what_may_be_a_result_or_hide_a_digit_is_refused(raw: str, region: str) -> None:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, region)

    assert refused.value.code in {"invalid_phone", "ambiguous_phone"}
    assert refused.value.fix
    assert plain_numbers([raw], region) == [""]
    assert plain_numbers(["415-320-0001", raw, "(415) 320-0002"], region)[1] == ""


@pytest.mark.parametrize("raw", ["415-320-0001", "(415) 320-0001", "(415)320-0001", "415 320 0001"])
def test_grouping_is_no_sign(raw: str) -> None:
    assert normalise(raw, "US") == "+14153200001"
    assert plain_numbers([raw], "US") == ["+14153200001"]


@pytest.mark.parametrize(
    "cell",
    [
        "+12025550101" + " " * 20_000 + "+12025550102",
        "+12025550101" + "," * 20_000,
        "1" * 20_000,
        "tel" + "." * 20_000,
        "(" * 20_000,
        "+" * 20_000 + "12025550101",
        "é" * 20_000,
    ],
)
def test_a_cell_longer_than_any_number_is_refused_before_it_is_looked_at(cell: str) -> None:
    with pytest.raises(PhoneError) as fault:
        normalise(cell, "US")

    assert fault.value.code == "invalid_phone"


def test_blanks_around_a_number_do_not_make_it_long() -> None:
    assert normalise(" " * 500 + "+12025550101" + "\u00a0" * 500, "US") == "+12025550101"
