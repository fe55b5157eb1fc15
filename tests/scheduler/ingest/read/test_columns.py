"""Which column holds the phone number."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ingest.read.columns import phone_index, told_apart
from shared.errors import Refused


@pytest.mark.parametrize(
    "name",
    [
        "phone", "Phone Number", "PHONE_NO.", "phone #", "phone1", "Tel", "Tel.", "telephone",
        "Mobile", "mobile phone", "Cell", "cell-phone", "number", "MSISDN", "to", "To Number",
        "Contact Phone", "WhatsApp", "SMS number", "E.164",
        "Telefonnummer", "Téléphone", "Teléfono", "Móvil", "Handy",
    ],
)  # fmt: skip
def test_the_phone_column_goes_by_many_names(name: str) -> None:
    assert phone_index(["first_name", name, "city"], named=None) == 1


def test_a_name_that_surely_means_a_phone_wins_over_one_that_may() -> None:
    assert phone_index(["number", "to", "phone"], named=None) == 2


def test_an_explicit_column_is_matched_like_a_placeholder() -> None:
    assert phone_index(["phone", "Work Line"], named="work_line") == 1


@pytest.mark.parametrize("header", [["phone", "mobile"], ["number", "to"]])
def test_two_candidates_are_not_chosen_between(header: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        phone_index(header, named=None)

    assert refused.value.code == "which_phone_column"
    assert ", ".join(header) in refused.value.message


def test_no_candidate_lists_the_columns_and_the_likely_one() -> None:
    with pytest.raises(Refused) as refused:
        phone_index(["name", "reach at"], named=None, first=["Ana", "+1 555 123 0000"])

    assert refused.value.code == "no_phone_column"
    assert "name, reach at" in refused.value.message
    assert refused.value.details["suggestion"] == "reach at"


def test_a_file_that_begins_with_a_number_lacks_its_header() -> None:
    with pytest.raises(Refused) as refused:
        phone_index(["+15551230000", "Ana"], named=None)

    assert refused.value.code == "no_header"


def test_an_explicit_column_that_is_not_there_lists_the_columns() -> None:
    with pytest.raises(Refused) as refused:
        phone_index(["phone", "name"], named="fone")

    assert refused.value.code == "unknown_column"
    assert "Did you mean “phone”?" in refused.value.message


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)", "a (2) (2)", ""]), max_size=9))
def test_each_name_is_told_once_and_the_first_of_a_kind_as_it_is(header: list[str]) -> None:
    apart = told_apart(header)

    named = [name for name in apart if name]
    assert len(set(named)) == len(named)
    assert [not name for name in apart] == [not name for name in header]
    firsts = {header.index(name) for name in header if name}
    assert all(apart[index] == header[index] for index in firsts)


def test_ten_times_the_columns_of_one_name_take_ten_times_as_long_to_tell_apart() -> None:
    def seconds(count: int) -> float:
        tries = []
        for _ in range(3):
            began = time.thread_time()
            told_apart(["Note"] * count)
            tries.append(time.thread_time() - began)
        return min(tries)

    assert seconds(10_000) < 30 * seconds(1_000)
