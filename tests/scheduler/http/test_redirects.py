"""A redirect stays where it was asked."""

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("host", ["stranger.example", "127.0.0.1:1", "[::1]"])
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/docs"),
        ("/api/campaigns/?limit=2", "/api/campaigns?limit=2"),
        ("/healthz/", "/healthz"),
    ],
)
def test_a_redirect_names_no_host_whatever_host_was_asked(
    api: TestClient, host: str, path: str, location: str
) -> None:
    answer = api.get(path, headers={"Host": host}, follow_redirects=False)

    assert answer.status_code == 307
    assert answer.headers["location"] == location


@pytest.mark.parametrize("path", ["//stranger.example/", "/\\\\stranger.example/", "///healthz/"])
def test_no_path_makes_a_redirect_lead_elsewhere(api: TestClient, path: str) -> None:
    answer = api.request("GET", f"http://testserver{path}", follow_redirects=False)

    assert not answer.headers.get("location", "/").startswith(("//", "/\\", "http"))
