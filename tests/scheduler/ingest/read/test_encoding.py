"""Bytes to text: one stray byte costs one row, never the file."""

import io

import pytest

from scheduler.ingest.read.encoding import survey, text_of
from shared.errors import Refused

FRENCH = "phone,name\n+15551230000,José\n+15551230001,Zoë – l’été\n"


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16"),
        ("utf-32", "utf-32"),
        ("cp1252", "windows-1252"),
    ],
)
def test_the_usual_encodings_are_told_apart(codec: str, name: str) -> None:
    file = io.BytesIO(FRENCH.encode(codec))

    decoding = survey(file)

    assert decoding.name == name
    assert text_of(file, decoding.codec).read().removeprefix("\ufeff") == FRENCH


def test_ascii_is_utf_8_and_needs_no_second_look() -> None:
    decoding = survey(io.BytesIO(b"phone,name\n+15551230000,O'Brien\n"))

    assert (decoding.name, decoding.suspect) == ("utf-8", False)


def test_a_stray_byte_in_utf_8_leaves_the_rest_readable() -> None:
    file = io.BytesIO(FRENCH.encode() + b"+15551230002,B\xe9a\n")

    decoding = survey(file)

    assert (decoding.name, decoding.suspect) == ("utf-8", True)
    assert "l’été" in text_of(file, decoding.codec).read()


@pytest.mark.parametrize("stray", [b"\xff", b"\xfe", b"\x81", b"Mi\xc3", b"\x80bc"])
def test_a_byte_no_windows_text_would_have_is_damage(stray: bytes) -> None:
    decoding = survey(io.BytesIO(b"phone,name\n+15551230000," + stray + b"\n"))

    assert (decoding.name, decoding.suspect) == ("utf-8", True)


def test_a_far_accent_is_seen_in_a_file_of_megabytes() -> None:
    lines = b"phone,name\n" + b"+15551230000,Ana\n" * 200_000

    decoding = survey(io.BytesIO(lines + "+15551230001,José\n".encode("cp1252")))

    assert decoding.name == "windows-1252"


def test_a_character_across_the_border_of_two_reads_is_whole() -> None:
    head = b"phone\n" + b"x" * 99 + b"\n"
    filler = b"y" * (1024 * 1024 - len(head) - 1)

    decoding = survey(io.BytesIO(head + filler + "é\n".encode()))

    assert (decoding.name, decoding.suspect) == ("utf-8", False)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf\r\n \n", "empty_file"),
        (b"\xff\xfe", "empty_file"),
        (b"%PDF-1.7 ...", "not_a_csv"),
        (b"\x1f\x8b\x08\x00", "not_a_csv"),
        (b"<!DOCTYPE html><table>", "not_a_csv"),
        (bytes(range(256)) * 10, "not_a_csv"),
        (b"phone," + b"x" * 3_000_000, "not_a_csv"),
    ],
)
def test_what_is_not_a_table_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        survey(io.BytesIO(content))

    assert refused.value.code == code


def test_the_callers_file_stays_open() -> None:
    file = io.BytesIO(FRENCH.encode())

    text_of(file, "utf-8").close()

    assert not file.closed
