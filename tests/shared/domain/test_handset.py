"""Two numbers of one handset."""

import pytest

from shared.domain.handset import forms, handsets


def test_an_argentine_mobile_rings_with_and_without_its_9() -> None:
    assert set(forms("+5491123456789")) == set(forms("+541123456789"))
    assert forms("+5491123456789")[0] == "+5491123456789"


@pytest.mark.parametrize("number", ["+12025550123", "+54911234567", "+5411234567", "+549"])
def test_other_numbers_are_their_handsets_own(number: str) -> None:
    assert forms(number) == (number,)


def test_numbers_of_one_handset_count_as_one() -> None:
    one, other, third = handsets(["+5491123456789", "+541123456789", "+5491123456780"])

    assert one == other != third
    assert handsets(["+12025550123"]) == [12025550123]
