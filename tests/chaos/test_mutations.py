"""The short form of `python -m tests.chaos.mutations`: the same requests every time."""

from collections.abc import Iterator

import pytest

from tests.chaos import mutations
from tests.chaos.harness import Bench, bench
from tests.chaos.mutations import Request, asked

pytestmark = [pytest.mark.stack, pytest.mark.chaos]


@pytest.fixture(scope="module")
def stack() -> Iterator[Bench]:
    with bench(workers=1) as made:
        made.api.post("/api/agents", json={"id": "sales", "senders": ["+15005550006"]})
        yield made


def test_no_spoilt_file_or_request_makes_the_api_fail_die_or_grow(stack: Bench) -> None:
    found = mutations.run(stack, lambda number: number < 4)

    assert found.answers.total() >= 100
    assert {201, 422} <= set(found.answers)


def test_an_api_that_grows_beyond_its_bound_is_noticed(
    stack: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutations, "GROWS_BY", -1)

    with pytest.raises(AssertionError, match="grew by"):
        mutations.run(stack, lambda number: number < 1)


def test_an_answer_of_5xx_is_noticed(stack: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "asked", lambda *_: 500)

    with pytest.raises(AssertionError, match="answered 500"):
        mutations.run(stack, lambda number: number < 1)


def test_what_is_put_on_the_wire_is_a_request_that_is_understood(stack: Bench) -> None:
    host, port = stack.stack.api_url.removeprefix("http://").split(":")
    key = stack.stack.api_key_path.read_text().strip()

    assert asked((host, int(port)), Request(b"GET", b"/api/campaigns").wire(key)) == 200
    assert asked((host, int(port)), Request(b"GET", b"/api/campaigns").wire("x")) == 401
