"""What a stranger wrote is shown and never obeyed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Refused
from shared.legible import escaped, in_one_line, legible


def test_what_cannot_be_shown_is_made_legible() -> None:
    assert legible("a\x00b\x1b[31m\udcff\nc\u202e") == "a\ufffdb\ufffd[31m\ufffd\nc\ufffd"


@pytest.mark.parametrize(
    "mark",
    [
        "\x07",
        "\r",
        "\x7f",
        "\x9b",
        "\ud800",
        "\u200b",
        "\u200e",
        "\u2028",
        "\u202d",
        "\u2067",
        "\ufeff",
    ],
)
def test_a_mark_that_a_terminal_obeys_or_hides_is_shown_as_one(mark: str) -> None:
    assert legible(f"a{mark}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["Zoë", "👩‍👩‍👧", "می‌خواهم", "क्‍ष", "❤️", "a\tb\nc", "\u00a0"])
def test_what_people_write_with_stays(text: str) -> None:
    assert legible(text) == text


@given(st.text())
def test_in_one_line_there_is_neither_a_break_nor_a_control(text: str) -> None:
    shown = in_one_line(text)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


@given(st.dictionaries(st.text(), st.text()))
def test_an_escaped_document_says_the_same_and_holds_no_control(document: dict[str, str]) -> None:
    written = escaped(json.dumps(document, ensure_ascii=False))

    assert json.loads(written) == document
    assert legible(written) == written


def test_a_refusal_is_one_legible_line_with_legible_details() -> None:
    refused = Refused("x", "no \x1b]0;pwn\x07\nfor \udcff", details={"columns": ["a\x9b", 3, None]})

    assert refused.message == str(refused) == "no \ufffd]0;pwn\ufffd for \ufffd"
    assert refused.details == {"columns": ["a\ufffd", 3, None]}
