import gzip
import json
from pathlib import Path

import pytest
import smsutil
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.graphemes import clusters
from shared.domain.gsm7 import BASIC, EXTENDED
from shared.domain.segments import Encoding, Measure, billed, measure, smart, split, ucs2_characters

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2

GOLDEN = Path(__file__).with_name("segments_golden.json.gz")  # made by make_golden.mjs

FAMILY = "👨‍👩‍👧‍👦"  # 11 UTF-16 units, one grapheme
MARKS = "\u0301" * 9  # all on one letter

PIECES = st.sampled_from(
    "a|é| |^|{|€|’|中|word |longerword|\t|\n|\r|\r\n|\0|\u00a0|e\u0301| \u0301|\u0600|\u200d|"
    f"e{MARKS}|😀|👍🏽|{FAMILY}|🇳🇱|🇳|❤️|क्षि|각".split("|")
)
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=80))


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def test_every_text_costs_what_twilios_own_calculator_says() -> None:
    with gzip.open(GOLDEN, "rt", encoding="utf-8", newline="\n") as lines:
        answers = [json.loads(line) for line in lines]

    ours = [
        [text, smart_encoding, cost.encoding, cost.units, cost.segments]
        for text, smart_encoding, *_ in answers
        for cost in [measure(text, smart_encoding=bool(smart_encoding))]
    ]

    theirs = [[*question, len(lengths)] for *question, lengths in answers]
    assert len(theirs) >= 4000
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == []


def test_every_segment_ends_where_twilios_own_calculator_ends_it() -> None:
    with gzip.open(GOLDEN, "rt", encoding="utf-8", newline="\n") as lines:
        answers = [json.loads(line) for line in lines]

    sent = [smart(text) if smart_encoding else text for text, smart_encoding, *_ in answers]
    ours = [billed(text) for text in sent]

    assert [[units(text) for text in texts] for texts in ours] == [answer[-1] for answer in answers]
    assert ["".join(texts) for texts in ours] == sent


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ("", Measure(GSM7, 0, 1)),
        ("Hi Ana - see you at 3", Measure(GSM7, 21, 1)),
        ("Hi Ana – see you at 3", Measure(UCS2, 21, 1)),
        ("a" * 160, Measure(GSM7, 160, 1)),
        ("a" * 161, Measure(GSM7, 161, 2)),
        ("a" * 306, Measure(GSM7, 306, 2)),
        ("a" * 307, Measure(GSM7, 307, 3)),
        ("€" * 80, Measure(GSM7, 160, 1)),
        ("€" * 81, Measure(GSM7, 162, 2)),
        ("a" * 152 + "€" + "a" * 152, Measure(GSM7, 306, 3)),  # the escape may not be parted
        ("中" * 70, Measure(UCS2, 70, 1)),
        ("中" * 71, Measure(UCS2, 71, 2)),
        ("中" * 134, Measure(UCS2, 134, 2)),
        ("中" * 135, Measure(UCS2, 135, 3)),
        ("a\r\nb", Measure(GSM7, 4, 1)),
        ("a\tb", Measure(UCS2, 3, 1)),  # a tab is not in the alphabet
        ("😀" * 35, Measure(UCS2, 70, 1)),
        ("a" * 66 + "😀" * 34, Measure(UCS2, 134, 3)),  # an emoji may not be parted
        (FAMILY * 12, Measure(UCS2, 132, 2)),
        (FAMILY * 13, Measure(UCS2, 143, 3)),
    ],
)
def test_a_text_costs_its_segments(body: str, cost: Measure) -> None:
    assert measure(body) == cost
    assert len(billed(body)) == cost.segments


def test_smart_encoding_saves_a_text_from_typographic_quotes() -> None:
    body = "“It’s ready” – see you…" + " " * 100

    plain, simplified = measure(body), measure(body, smart_encoding=True)

    assert smart(body).strip() == '"It\'s ready" - see you...'
    assert (plain.encoding, plain.segments) == ("UCS-2", 2)
    assert (simplified.encoding, simplified.units, simplified.segments) == ("GSM-7", 125, 1)


def test_smart_encoding_leaves_a_plain_text_alone() -> None:
    body = BASIC + EXTENDED

    assert smart(body) == body


def test_the_report_names_each_character_that_makes_a_message_ucs2_once_and_whole() -> None:
    body = f"Olá “Ana” {FAMILY} é e\u0301 – {FAMILY}“🇳🇱 [€]\r\n"

    assert ucs2_characters(body) == ["á", "“", "”", FAMILY, "e\u0301", "–", "🇳🇱"]
    assert ucs2_characters("Hola [Ana], ¿qué tal? 5€\r\n") == []


def test_a_lone_surrogate_is_counted_and_not_an_error() -> None:
    body = "a" * 69 + "\ud83d" + "b"

    assert measure(body) == Measure(UCS2, 71, 2)
    assert "".join(billed(body)) == body
    assert "".join(split(body, limit=70)) == body


@given(st.text(alphabet=BASIC + EXTENDED, max_size=700))
@settings(deadline=None)
def test_gsm_texts_are_cut_as_smsutil_cuts_them(body: str) -> None:
    assert billed(body) == [part.content for part in smsutil.split(body).parts]


@given(st.text(alphabet="ab€[ ’“中文ß😀🎉", max_size=300))
@settings(deadline=None)
def test_ucs2_texts_of_single_code_points_are_cut_as_smsutil_cuts_them(body: str) -> None:
    body = "’" + body

    assert billed(body) == [part.content for part in smsutil.split(body).parts]


@given(TEXTS)
@settings(deadline=None)
def test_the_billed_segments_are_the_measured_ones_and_join_to_the_text(body: str) -> None:
    cost, texts = measure(body), billed(body)

    assert len(texts) == cost.segments
    assert "".join(texts) == body
    assert all(texts[1:])


@given(TEXTS, st.integers(min_value=1, max_value=90))
@settings(deadline=None)
def test_parts_join_to_the_text_and_none_is_empty_or_too_long(body: str, limit: int) -> None:
    parts = split(body, limit=limit)

    assert "".join(parts) == body
    assert all(parts) or parts == [""]
    assert all(units(part) <= max(limit, 2 if len(part) == 1 else 0) for part in parts)


@given(TEXTS, st.integers(min_value=1, max_value=90))
@settings(deadline=None)
def test_no_part_ends_inside_a_grapheme_that_a_part_could_hold(body: str, limit: int) -> None:
    spans = [
        *clusters(body),
        *((at, at + 2) for at in range(len(body)) if body[at:].startswith("\r\n")),
    ]
    ends: list[int] = []
    for part in split(body, limit=limit):
        ends.append((ends[-1] if ends else 0) + len(part))

    cut = [(start, end) for start, end in spans if any(start < at < end for at in ends)]
    assert [span for span in cut if units(body[slice(*span)]) <= limit] == []


@given(st.lists(st.text(alphabet="abcé😀", min_size=1, max_size=8), max_size=60))
@settings(deadline=None)
def test_parts_of_everyday_words_end_after_a_space(words: list[str]) -> None:
    body = " ".join(words)

    parts = split(body, limit=70)

    assert all(part.endswith(" ") for part in parts[:-1])


@pytest.mark.parametrize(
    ("body", "limit", "parts"),
    [
        ("", 10, [""]),
        ("short enough", 1600, ["short enough"]),
        ("one two three four", 12, ["one two ", "three four"]),
        ("one two\nthree four", 10, ["one two\n", "three four"]),
        ("one abcdefghijklmnop", 10, ["one abcdef", "ghijklmnop"]),  # the space is too far back
        ("aaaaaa bb\u00a0ccc", 10, ["aaaaaa ", "bb\u00a0ccc"]),  # it forbids a break
        ("aaaaaaaa\r\nbbb", 9, ["aaaaaaaa", "\r\nbbb"]),
        ("aaaaaaa \u0301bbb", 10, ["aaaaaaa \u0301b", "bb"]),  # the accent sits on the space
        ("😀😀😀", 3, ["😀", "😀", "😀"]),
        ("😀", 1, ["😀"]),
        (f"ab{FAMILY}cd", 12, ["ab", f"{FAMILY}c", "d"]),
        (FAMILY, 10, [FAMILY[:6], FAMILY[6:]]),
    ],
)
def test_a_long_text_is_divided_at_the_best_place(body: str, limit: int, parts: list[str]) -> None:
    assert split(body, limit=limit) == parts


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_can_hold_nothing_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be 1 or more"):
        split("hello", limit=limit)
