"""One cell of a file spoilt, each in turn: an answer that says what is wrong, never a 500."""

import json
from typing import Final

import pytest
from fastapi.testclient import TestClient

#: A reject file as it comes back, with one row more.
_CELLS: Final = [
    [b"phone", b"name", b"volley_row", b"volley_code", b"volley_value", b"volley_file"],
    [b"+12025550101", b"Ana", b"2", b"duplicate", b"+12025550102", b"5f1d"],
    [b"+12025550103", "José".encode(), b"", b"", b"", b""],
]
#: Of the second line: phone and name are sent; without the value nobody can tell what changed.
_NEEDED: Final = {0, 1, 4}
_PLACES: Final = [(line, cell) for line in (0, 1) for cell in range(len(_CELLS[0]))]


@pytest.mark.parametrize("spoils", [b"\xed\xa0\x80", b"\x00"], ids=["undecodable", "NUL"])
@pytest.mark.parametrize("place", _PLACES, ids=str)
def test_a_spoilt_cell_is_answered_for_wherever_it_is(
    api: TestClient, agent: str, place: tuple[int, int], spoils: bytes
) -> None:
    line, cell = place
    lines = [list(cells) for cells in _CELLS]
    lines[line][cell] += spoils
    file = b"".join(b",".join(cells) + b"\n" for cells in lines)
    chosen = {
        "name": "spring", "agent_id": agent, "message": "Hi {name}", "window": "always",
        "encoding": "utf-8",
    }  # fmt: skip

    answer = api.post(
        "/api/campaigns",
        files={"file": ("guests.csv", file, "text/csv")},
        data={"settings": json.dumps(chosen)},
    )

    if answer.status_code == 422:
        assert answer.json()["error"]["code"] in {"unreadable_header", "unreadable_origin"}
    else:
        assert answer.status_code == 201
        report = answer.json()["report"]
        needed = cell in _NEEDED
        assert (report["accepted"], report["rejected"]) == ((1, 1) if needed else (2, 0))
