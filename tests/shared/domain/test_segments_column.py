"""What many texts cost: what each of them costs alone."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gsm7 import BASIC, smart
from shared.domain.segments import measure
from shared.domain.segments_column import basic, costs

_TEXTS = st.lists(
    st.text(st.sampled_from(BASIC + "€[]^ê’🎉“\t"), max_size=400)
    | st.text(st.sampled_from("ab cé"), max_size=400),
    max_size=5,
)


@given(bodies=_TEXTS, smart_encoding=st.booleans())
def test_texts_cost_together_what_they_cost_alone(bodies: list[str], smart_encoding: bool) -> None:
    plain = all(map(basic, bodies))

    encodings, segments = costs(bodies, plain=plain, smart_encoding=smart_encoding)

    alone = [measure(body, smart_encoding=smart_encoding) for body in bodies]
    assert encodings == [cost.encoding for cost in alone]
    assert segments == [cost.segments for cost in alone]


@given(st.text(st.sampled_from(BASIC + "€ê🎉"), max_size=30))
def test_a_text_is_basic_when_every_character_is_one_septet(text: str) -> None:
    cost = measure(text)

    assert basic(text) == (cost.encoding == "GSM-7" and cost.units == len(text))


def test_smart_encoding_leaves_basic_texts_alone() -> None:
    assert smart(BASIC) == BASIC
