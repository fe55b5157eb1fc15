"""Two requests are the same when they ask the same, and only then."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from scheduler.http.body_hash import BodyHash


def _hashed(
    body: bytes,
    content_type: str = "application/json",
    cuts: tuple[int, int] | list[int] = (),  # type: ignore[assignment]
) -> bytes:
    hashed = BodyHash(Headers({"content-type": content_type}))
    at = 0
    for cut in sorted({min(cut, len(body)) for cut in cuts}):
        hashed.add(body[at:cut])
        at = cut
    hashed.add(body[at:])
    return hashed.digest()


def _form(parts: list[bytes], boundary: bytes) -> bytes:
    head = b'Content-Disposition: form-data; name="file"'
    body = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, part) for part in parts)
    return body + b"--%b--\r\n" % boundary


def _of(parts: list[bytes], boundary: bytes, cuts: tuple[Any, ...] | list[int] = ()) -> bytes:
    body = _form(parts, boundary)
    return _hashed(body, f"multipart/form-data; boundary={boundary.decode()}", cuts)


def test_the_boundary_counts_for_nothing() -> None:
    assert _of([b"phone\n+12025550101\n"], b"abc") == _of([b"phone\n+12025550101\n"], b"xyz")


def test_digits_that_are_also_the_boundary_are_still_what_was_asked() -> None:
    assert _of([b"phone\n+12025550101\n"], b"1") != _of([b"phone\n+12025550102\n"], b"2")
    assert _of([b"phone\n+1202555010\n"], b"1") != _of([b"phone\n+202555010\n"], b"1")


def test_what_moves_from_one_part_to_the_next_is_another_question() -> None:
    assert _of([b"ab", b"c"], b"x") != _of([b"a", b"bc"], b"x")


def test_a_boundary_in_quotes_is_the_same_boundary() -> None:
    body = _form([b"a"], b"x y")

    quoted = _hashed(body, 'multipart/form-data; boundary="x y"')

    assert quoted == _of([b"a"], b"z")


def test_a_json_body_is_compared_byte_by_byte() -> None:
    assert _hashed(b'{"a": 1}') == _hashed(b'{"a": 1}', cuts=(1, 3))
    assert _hashed(b'{"a": 1}') != _hashed(b'{"a": 2}')


@given(
    st.lists(st.binary(max_size=40).filter(lambda part: b"--" not in part), max_size=4),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_however_the_network_cuts_a_body_its_hash_is_the_same(
    parts: list[bytes], cuts: list[int]
) -> None:
    assert _of(parts, b"volley", cuts) == _of(parts, b"another-boundary")
