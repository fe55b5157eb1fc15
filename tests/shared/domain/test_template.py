"""Placeholders: what they mean, and what is said when they mean nothing."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.template import Template, key
from shared.errors import Refused


@pytest.mark.parametrize(
    "name", ["first_name", "First Name", "FIRSTNAME", " first-name ", "firstName"]
)
def test_a_placeholder_matches_its_column_whatever_the_case_and_punctuation(name: str) -> None:
    text = Template(f"Hi {{{name}}}!").render({"phone": "+1", "First_Name": "Ana"})

    assert text == "Hi Ana!"


def test_a_doubled_brace_is_a_brace() -> None:
    template = Template("{{literally}} {{{name}}} 100%")

    assert template.render({"name": "Ana"}) == "{literally} {Ana} 100%"
    assert template.placeholders == ("name",)


def test_a_value_with_braces_or_percent_signs_stays_as_it_is() -> None:
    template = Template("{a}{b}")

    assert template.render({"a": "{b} %s %(x)s", "b": "{{"}) == "{b} %s %(x)s{{"


def test_placeholders_are_named_once_in_order() -> None:
    assert Template("{b} {A} {a} {B}").placeholders == ("b", "A")


def test_an_unknown_placeholder_names_the_columns_and_the_nearest() -> None:
    with pytest.raises(Refused) as refused:
        Template("Hi {frist_name}").bound_to(["phone", "First Name", "", "city"])

    assert refused.value.code == "unknown_placeholder"
    assert "Did you mean {First Name}?" in refused.value.message
    assert "phone, First Name, city" in refused.value.message


def test_an_exact_name_wins_over_a_similar_one_and_two_similar_are_not_chosen_between() -> None:
    columns = ["Amount", "amount $", "amount €"]

    assert Template("{amount $}").bound_to(columns)(["1", "2", "3"]) == "2"
    with pytest.raises(Refused) as refused:
        Template("{AMOUNT}").bound_to(columns)

    assert refused.value.code == "ambiguous_placeholder"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_message"),
        (" \n", "empty_message"),
        ("Hi {name", "unbalanced_brace"),
        ("Hi name}", "unbalanced_brace"),
        ("Hi {a {b}}", "unbalanced_brace"),
        ("Hi {{name}", "unbalanced_brace"),
        ("Hi {}", "empty_placeholder"),
        ("Hi { }", "empty_placeholder"),
    ],
)
def test_a_broken_message_is_refused_before_any_row_is_read(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        Template(text)

    assert refused.value.code == code


def test_braces_written_as_other_tools_do_are_pointed_out() -> None:
    template = Template("Hi {{First Name}} {{other}} {city}")

    assert template.braces_around(["first_name", "city"]) == ("First Name",)


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_rendering_by_columns_and_by_fields_agree(values: list[str]) -> None:
    template = Template("{{ {b} and {a}, {b}: 5% }}")
    columns = ["a", "b", "c"]

    by_columns = template.bound_to(columns)(values)

    assert by_columns == template.render(dict(zip(columns, values, strict=True)))
    assert by_columns == f"{{ {values[1]} and {values[0]}, {values[1]}: 5% }}"


def test_a_name_of_signs_only_is_still_a_name() -> None:
    assert key("#") == "#"
    assert key("Téléphone №") == key("téléphone no")


@pytest.mark.parametrize(
    "text", ["Hi", "Hi {name}!", "{name}{city}", "100 % {{x}} {city}, {name} %s {city}"]
)
def test_whole_columns_are_filled_in_as_rows_are(text: str) -> None:
    header, rows = ("name", "city"), [("Ana", "Rome"), ("{city}", "100%"), ("", "é")]
    template = Template(text)

    filled = template.filling_columns(header)(list(zip(*rows, strict=True)), len(rows))

    assert filled == [template.bound_to(header)(row) for row in rows]
    assert template.literal == template.bound_to(header)(("", ""))


def seconds(work: Callable[..., Any], *given: Any) -> float:
    """The least of three tries, on this thread's own clock."""
    tries = []
    for _ in range(3):
        began = time.thread_time()
        work(*given)
        tries.append(time.thread_time() - began)
    return min(tries)


def bind(columns: list[str]) -> None:
    template = Template("".join(f"{{column_{i}}}" for i in range(0, len(columns), 2)))
    template.bound_to(columns)
    template.filling_columns(columns)
    template.columns_of(columns)


def test_ten_times_the_columns_and_placeholders_take_ten_times_as_long_to_bind() -> None:
    few, many = ([f"Column {i}" for i in range(count)] for count in (200, 2_000))

    assert seconds(bind, many) < 30 * seconds(bind, few)


def test_a_long_name_is_not_compared_with_other_long_names() -> None:
    def miss(length: int) -> None:
        with pytest.raises(Refused, match="no column"):
            Template("{" + "xy" * length + "}").columns_of([f"{i}" + "yx" * length for i in "abcd"])

    assert seconds(miss, 20_000) < 300 * max(seconds(miss, 100), 1e-4)


def test_a_name_that_fits_many_columns_tells_the_first_of_them() -> None:
    columns = [f"first{mark * count}name" for count in range(1, 60) for mark in "_-"]

    with pytest.raises(Refused) as refused:
        Template("{FirstName}").columns_of(columns)

    assert refused.value.code == "ambiguous_placeholder"
    assert len(refused.value.details["columns"]) == 50
