"""/openapi.json names the answers that are really given: schemathesis asks every route by it.

Requests are drawn from the description, right ones and wrong ones, with the same seed every time;
they go through the whole app to a real database. A right request may be refused only for a reason
that a schema cannot say.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scheduler.api.app import create_app

#: Requests drawn for each route.
DRAWN: Final = 30
CHECKS: Final[list[Any]] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Refusals that a description should have foretold.
FORETOLD: Final = {"invalid_json", "invalid_multipart", "file_missing", "settings_missing"}
DESCRIBED: Final = TestClient(create_app()).get("/openapi.json").json()
API: Final = schemathesis.openapi.from_dict(DESCRIBED)
OPERATIONS: Final[dict[str, Any]] = {
    found.ok().label: found.ok() for found in API.get_all_operations()
}
ALL: Final = pytest.mark.parametrize("name", OPERATIONS)


def ask(api: TestClient, case: Any) -> Any:
    """The app's answer to a request that was drawn."""
    asked = requests.Request(**case.as_transport_kwargs("http://testserver")).prepare()
    headers = {name: value for name, value in asked.headers.items() if value is not None}
    return api.request(
        str(asked.method), str(asked.url), content=asked.body or b"", headers=headers
    )


def told_by_no_schema(answer: Any) -> bool:
    """Whether a refusal (422) has a reason that the description cannot foretell."""
    error = answer.json()["error"]
    if error["code"] != "invalid_request":
        return error["code"] not in FORETOLD
    return all(one["type"] == "value_error" for one in error["details"].get("errors", [{"type": ""}]))


@pytest.fixture
def there(api: TestClient, upload: Callable[..., Any]) -> dict[str, str]:
    """What addresses may name and find. The campaign is over: its stream of events ends."""
    campaign = upload("phone,name\n+12025550101,Ana\nx,Bo\n").json()["id"]
    messages = api.get(f"/api/campaigns/{campaign}/messages").json()["data"]
    api.post(f"/api/campaigns/{campaign}/cancel")
    api.post("/api/suppressions", json={"number": "+12025550199"})
    spare = api.post("/api/keys", json={"name": "spare"}).json()["id"]
    return {
        "campaign_id": str(campaign),
        "message_id": str(messages[0]["id"]),
        "agent_id": "sales",
        "number": "+12025550199",
        "key_id": str(spare),
    }


@ALL
def test_a_route_answers_as_it_is_described(
    api: TestClient, there: dict[str, str], name: str
) -> None:
    operation = OPERATIONS[name]
    modes = schemathesis.GenerationMode
    drawn = operation.as_strategy(modes.POSITIVE) | operation.as_strategy(modes.NEGATIVE)

    @hypothesis_settings(
        max_examples=DRAWN,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=drawn, found=st.booleans())
    def asked(case: Any, found: bool) -> None:
        if found:
            case.path_parameters = {p: there[p] for p in case.path_parameters}
        right = case.meta.generation.mode is modes.POSITIVE
        answer = ask(api, case)
        case.validate_response(answer, checks=CHECKS)
        if right:
            assert answer.status_code not in {400, 405, 413, 415}, answer.text
            assert answer.status_code != 422 or told_by_no_schema(answer), answer.text

    asked()
