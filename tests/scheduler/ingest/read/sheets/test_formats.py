"""Number formats: what a person sees in the cell."""

from typing import Any

import pytest

from scheduler.ingest.read.sheets.formats import built_in, format_of


def shown(code: str, value: float, **more: Any) -> str:
    return format_of(code, **more).number(float(value)).strip()


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("00000", 2134, "02134"),
        ("00000-0000", 21341234, "02134-1234"),
        ("000\\-00\\-0000", 1234567, "001-23-4567"),
        ("[h]:mm", 1.5, "36:00"),
        ("[mm]:ss", 1.0007, "1441:00"),
        ("[ss]", 1.5, "129600"),
        ('"$"#,##0.00', 12.5, "$12.50"),
        ("$#,##0.00;-$#,##0.00", -12.5, "-$12.50"),
        ("[$€-407] #,##0.00", 1234.5, "€ 1,234.50"),
        ("#,##0.00\\ [$€-1]", 12.5, "12.50 €"),
        ("[$£-809]#,##0.00", 3, "£3.00"),
        ("0%", 0.15, "15%"),
        ("0.0%", 0.1255, "12.6%"),
        ("0 %", 0.15, "15 %"),
        ("h:mm AM/PM", 0.375, "9:00 AM"),
        ("h:mm AM/PM", 0.5, "12:00 PM"),
        ("h:mm am/pm", 0, "12:00 AM"),
        ("hh:mm:ss", 0.999, "23:58:34"),
        ("mm:ss.0", 0.0123, "17:42.7"),
        ("h A/P", 0.75, "6 P"),
        ("#,##0", 1234567, "1,234,567"),
        ("#,##0", 12, "12"),
        ("#,##0_);[Red](#,##0)", -1234, "(1,234)"),
        ("0.00;[Red]0.00", -1.5, "1.50"),
        ('0.0;-0.0;"none"', 0, "none"),
        ('0.00;(0.00);"zero"', -0.5, "(0.50)"),
        ("0.0##", 1.5, "1.5"),
        ("0.##", 5, "5."),
        ("#.00", 0.5, ".50"),
        ("0.0", 2.25, "2.3"),
        ("0.00", 1.005, "1.01"),
        ("0", -0.25, "0"),
        ("0,", 12345, "12"),
        ('0.0,,"M"', 1_500_000, "1.5M"),
        ('0" pcs"', 3, "3 pcs"),
        ("\\#0", 7, "#7"),
        ("# ?/?", 2.5, "2 1/2"),
        ("# ??/??", 0.333, "1/3"),
        ("?/8", 0.625, "5/8"),
        ("0.00E+00", 1234.5, "1.23E+03"),
        ("##0.0E+0", 12345, "12.3E+3"),
        ("0.0E-0", 0.00012, "1.2E-4"),
        ("+0;-0;0", 5, "+5"),
        ("[>=1000]#,##0;0.0", 12, "12.0"),
        ('[=1]"one";[=2]"two";0', 2, "two"),
        ("[<=9999999]###\\-####;\\(###\\)\\ ###\\-####", 5551230000, "(555) 123-0000"),
        ("[<=9999999]###\\-####;\\(###\\)\\ ###\\-####", 1230000, "123-0000"),
        (";;;", 5, ""),
        ("@", 42, "42"),
        ('_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)', 12.5, "$12.50"),
        ('_-* #,##0.00\\ "€"_-', 12.5, "12.50 €"),
        ("General", 0.1 + 0.2, "0.3"),
        ("General", -3.14159265358979, "-3.141592654"),
        ("General", 1234567.891234, "1234567.891"),
        ("General", 1e-9, "1E-09"),
        ('General" km"', 5, "5 km"),
        ("", 5, "5"),
    ],
)
def test_a_number_reads_as_its_format_shows_it(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("m/d/yyyy", 46000, "12/9/2025"),
        ("dd.mm.yyyy", 46086, "05.03.2026"),
        ("yyyy\\-mm\\-dd hh:mm:ss", 46000.75, "2025-12-09 18:00:00"),
        ("dddd, mmmm d, yyyy", 46086, "Thursday, March 5, 2026"),
        ("ddd d-mmm-yy", 46086, "Thu 5-Mar-26"),
        ("mmmmm", 46086, "M"),
        ("d. mmmm yyyy", 46086, "5. March 2026"),
        ("[$-407]d. mmmm yyyy", 46086, "5. März 2026"),
        ("[$-40C]dddd d mmmm yyyy", 46086, "jeudi 5 mars 2026"),
        ("[$-de-DE]d. mmmm", 46086, "5. März"),
        ('yyyy"年"m"月"d"日"', 46086, "2026年3月5日"),
        ("h:mm", 0.3819444444, "9:10"),
        ("h:mm", 0.41666, "9:59"),
        ("h:mm:ss", 0.99999999, "0:00:00"),
        ("m/d/yy h:mm", 46000.3819444444, "12/9/25 9:10"),
        ("d-mmm", 60, "29-Feb"),
        ("yyyy-mm-dd", 59, "1900-02-28"),
        ("yyyy-mm-dd", 61, "1900-03-01"),
        ("yyyy-mm-dd", 2958465, "9999-12-31"),
    ],
)
def test_a_date_reads_as_its_format_shows_it(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


def test_days_may_be_counted_from_1904() -> None:
    assert shown("yyyy-mm-dd", 0, since_1904=True) == "1904-01-01"
    assert shown("yyyy-mm-dd", 44624, since_1904=True) == "2026-03-05"
    assert shown("[h]:mm", 1.5, since_1904=True) == "36:00"


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("General", 15551230000, "15551230000"),
        ("General", 441212345678, "441212345678"),
        ("0.00E+00", 15551230000, "15551230000"),
        ("#,##0,", 15551230000, "15551230000"),
        ('0.0,,"M"', 15551230000, "15551230000"),
        ("m/d/yyyy", 15551230000, "15551230000"),
        ("#,##0", 15551230000, "15,551,230,000"),
        ('"+"0', 15551230000, "+15551230000"),
        ('"+1 "(000) 000-0000', 5551230000, "+1 (555) 123-0000"),
        ("0.00", 15551230000, "15551230000.00"),
    ],
)
def test_no_format_takes_digits_from_what_may_be_a_phone_number(
    code: str, value: int, text: str
) -> None:
    assert shown(code, value) == text


def test_more_digits_than_a_spreadsheet_keeps_are_shown_as_the_spreadsheet_shows_them() -> None:
    assert shown("General", 1234567890123456) == "1.23457E+15"
    assert shown("0", 1234567890123456) == "1234567890123460"


@pytest.mark.parametrize("value", [-1, -0.5, -1234.5])
def test_a_date_before_all_dates_is_a_number(value: float) -> None:
    assert shown("m/d/yyyy", value) == str(value)


@pytest.mark.parametrize(
    ("number", "value", "text"),
    [
        (0, 2134, "2134"), (1, 2134.4, "2134"), (2, 1.5, "1.50"), (4, 1234.5, "1,234.50"),
        (7, -3, "($3.00)"), (9, 0.15, "15%"), (12, 0.5, "1/2"), (14, 46086, "3/5/2026"),
        (15, 46086, "5-Mar-26"), (16, 46086, "5-Mar"), (17, 46086, "Mar-26"),
        (18, 0.375, "9:00 AM"), (19, 0.375, "9:00:00 AM"), (20, 0.375, "9:00"),
        (21, 0.375, "9:00:00"), (22, 46086.375, "3/5/2026 9:00"), (27, 46086, "3/5/2026"),
        (31, 46086, "3/5/2026"), (32, 0.375, "9:00:00"), (36, 46086, "3/5/2026"),
        (44, 12.5, "$12.50"), (45, 0.01, "14:24"), (46, 1.5, "36:00:00"), (49, 7, "7"),
        (57, 46086, "3/5/2026"), (999, 7, "7"),
    ],
)  # fmt: skip
def test_a_format_known_by_its_number_alone_reads_as_in_the_us(
    number: int, value: float, text: str
) -> None:
    assert shown(built_in(number), value, number=number) == text


@pytest.mark.parametrize(
    ("number", "local"), [(14, True), (22, True), (30, True), (15, False), (20, False), (1, False)]
)
def test_a_date_in_the_order_of_each_country_is_doubtful(number: int, local: bool) -> None:
    assert format_of(built_in(number), number=number).local is local


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("[$-419]d mmmm yyyy", "2026-03-05"),
        ("[$-407]d. mmm yyyy", "2026-03-05"),
        ("[$-411]ggge\\年m\\月", "2026-03-05"),
        ("[$-419]d mmmm yyyy h:mm", "2026-03-05 12:00"),
    ],
)
def test_a_date_in_words_not_known_here_is_written_in_numbers_and_doubtful(
    code: str, text: str
) -> None:
    assert shown(code, 46086.5) == text
    assert format_of(code).foreign
    assert not format_of("[$-419]dd.mm.yyyy").foreign


@pytest.mark.parametrize(
    ("code", "text"),
    [("@", "Ana"), ("General", "Ana"), ("0;-0;0;@", "Ana"), ('"Dr. "@', "Dr. Ana"), (";;;", "")],
)
def test_a_text_reads_as_its_format_shows_it(code: str, text: str) -> None:
    assert format_of(code).text("Ana") == text


def test_a_code_longer_than_any_spreadsheet_writes_is_no_format() -> None:
    assert shown("0" * 256, 7) == "7"
    assert shown("0" * 255, 7) == "7".zfill(255)
    assert format_of("0" * 256).quick("7") == "7"  # type: ignore[misc]


@pytest.mark.parametrize("raw", ["7", "2134", "99999", "0", "02134", "-7", "1e3", "2134.0", "²"])
@pytest.mark.parametrize("code", ["General", "00000", "@"])
def test_the_quick_way_to_a_number_agrees_with_the_long_one(code: str, raw: str) -> None:
    known = format_of(code)
    quick = known.quick(raw)  # type: ignore[misc]

    assert not quick or quick == known.number(float(raw))
