"""How large a request may be."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.settings import settings


def test_a_json_body_over_a_megabyte_is_refused_whether_or_not_it_says_so(api: TestClient) -> None:
    def stream() -> Iterator[bytes]:
        yield from [b"x" * 300_000] * 5

    told = api.post("/api/agents", content=b"x" * 1_500_000)
    untold = api.post("/api/agents", content=stream())

    assert told.status_code == untold.status_code == 413
    assert told.json()["error"]["code"] == "too_large"


def test_an_upload_over_the_limit_is_refused_with_the_name_of_the_setting(
    upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "max_upload_mb", 1)
    rows = "phone,name\n" + "+12025550101,Ana\n" * 200_000

    answer = upload(rows)

    assert answer.status_code == 413
    assert "VOLLEY_MAX_UPLOAD_MB" in answer.json()["error"]["message"]


def test_an_upload_may_be_much_larger_than_a_json_body(upload: Any) -> None:
    rows = "phone,name\n+12025550101,Ana\n" + "12,nobody\n" * 120_000

    answer = upload(rows)

    assert answer.status_code == 201
