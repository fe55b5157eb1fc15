"""A text's wording: where it is cut, what it costs, and the text of each part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.segments import measure
from shared.domain.wording import MOST_PARTS, TooManyParts, part_of, parts_of, word

TEXTS = st.text(st.sampled_from("ab é€ 👍🏽\n."), min_size=1, max_size=600)


@given(TEXTS, st.integers(70, 200), st.booleans())
def test_the_parts_are_the_body_and_each_is_what_it_is_billed_as(
    body: str, split_at: int, smart: bool
) -> None:
    try:
        wording = word(body, split_at=split_at, smart_encoded=smart)
    except TooManyParts as too_many:
        assert too_many.parts > MOST_PARTS
        return

    parts = parts_of(body, wording.cuts)
    assert "".join(parts) == body
    assert [part_of(body, wording.cuts, n) for n in range(len(parts))] == parts
    assert all(0 < len(part.encode("utf-16-le")) // 2 <= split_at for part in parts)
    costs = [measure(part, smart_encoding=smart) for part in parts]
    assert wording.segments == sum(cost.segments for cost in costs)
    assert wording.encoding == ("UCS-2" if "UCS-2" in {c.encoding for c in costs} else "GSM-7")


def test_one_part_has_no_cut() -> None:
    assert (word("Hello", split_at=1600).cuts, parts_of("Hello", [])) == ([], ["Hello"])


def test_ten_parts_are_the_most() -> None:
    assert len(word("a" * 700, split_at=70).cuts) == MOST_PARTS - 1
    with pytest.raises(TooManyParts) as refused:
        word("a" * 701, split_at=70)
    assert refused.value.parts == MOST_PARTS + 1
