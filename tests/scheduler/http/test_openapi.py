"""/openapi.json names the answers that are really given: schemathesis asks every route by it.

Requests are drawn from the description, right ones and wrong ones, with the same seed every time;
they go through the whole app to a real database. A right request may be refused only for a reason
that a schema cannot say.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import Any, Final

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.exc import OperationalError

from scheduler.http import auth, errors
from scheduler.http.app import create_app

#: Requests drawn for each route.
DRAWN: Final = 30
#: And at the most so many at the bounds of its values.
BOUNDS: Final = 60
CHECKS: Final[list[Any]] = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Refusals that a description should have foretold.
FORETOLD: Final = {"invalid_json", "invalid_multipart", "file_missing", "settings_missing"}
RIGHT: Final = schemathesis.GenerationMode.POSITIVE
#: A number beyond any column's, a NUL, half a character.
ODD: Final = ("9223372036854775808", "%00", "%ed%a0%80")
DESCRIBED: Final = TestClient(create_app()).get("/openapi.json").json()
#: Keys are ours to send: a wrong one would end every request at the door.
API: Final = schemathesis.openapi.from_dict(
    DESCRIBED,
    config=schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}}),
)
OPERATIONS: Final[dict[str, Any]] = {
    found.ok().label: found.ok()  # type: ignore[union-attr]
    for found in API.get_all_operations()
}
ALL: Final = pytest.mark.parametrize("name", OPERATIONS)


def ask(api: TestClient, case: Any) -> Any:
    """The app's answer to a request that was drawn."""
    asked = requests.Request(**case.as_transport_kwargs("http://testserver")).prepare()
    headers = {name: value for name, value in asked.headers.items() if value is not None}
    return api.request(
        str(asked.method),
        str(asked.url),
        content=asked.body or b"",  # type: ignore[arg-type]
        headers=headers,  # type: ignore[arg-type]
    )


def made_real(case: Any, there: dict[str, Any]) -> None:
    """Let the request name what exists, wherever it names anything."""
    case.path_parameters = {name: there[name] for name in case.path_parameters}
    if isinstance(case.body, dict) and case.meta.generation.mode is RIGHT:
        _name_what_exists(case.body, there)


def _name_what_exists(body: dict[str, Any], there: dict[str, Any]) -> None:
    if body.get("id"):  # a new agent's: it speaks from somewhere
        body.setdefault("senders", [])
    if isinstance(body.get("settings"), dict):  # of a campaign: somebody speaks, and says something
        body["settings"] |= {"agent_id": "", "message": ""}
    for name, value in body.items():
        if name in there:
            body[name] = there[name]
        elif isinstance(value, dict):
            _name_what_exists(value, there)


def told_by_no_schema(answer: Any) -> bool:
    """Whether a refusal (422) has a reason that the description cannot foretell."""
    error = answer.json()["error"]
    if error["message"] == errors.not_storable().message:  # the bound of a number was not told
        return False
    if error["code"] != "invalid_request":
        return error["code"] not in FORETOLD
    return all(
        one["type"] == "value_error" for one in error["details"].get("errors", [{"type": ""}])
    )


def judge(api: TestClient, case: Any) -> None:
    """Ask, and fail unless the answer is a described one, and no right request was turned away."""
    right = case.meta.generation.mode is RIGHT
    answer = ask(api, case)
    case.validate_response(answer, checks=CHECKS)
    if right:
        assert answer.status_code not in {400, 405, 413, 415}, answer.text
        assert answer.status_code != 422 or told_by_no_schema(answer), answer.text


@pytest.fixture
def there(api: TestClient, upload: Callable[..., Any]) -> dict[str, Any]:
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
        "file": b"phone,name\n+12025550102,Cy\n",
        "senders": ["+15005550007"],
        "timezone": "Europe/Berlin",
        "message": "Hi {name}",
        "id": "another",
        "provider": "twilio",
        "messaging_service_sid": None,
        "effective_at": None,
        "opener": None,
        "provider_settings": None,
        "agent_ids": None,
        "encoding": None,
        "window": "always",
        "canary": None,
        "require_consent": False,
        "initial_prompt": None,
        "mode": "direct",
        "options": {},
        "scope": "all",
    }


@ALL
def test_a_route_answers_as_it_is_described(
    api: TestClient, there: dict[str, Any], name: str
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
            made_real(case, there)
        judge(api, case)

    asked()
    for case in islice(at_the_bounds(operation), BOUNDS):
        judge(api, case)


def at_the_bounds(operation: Any) -> Iterator[Any]:
    """Requests with the least, the largest and the oddest values that a route takes, and others."""
    cases = API.iter_coverage_cases(
        operation,
        generation_modes=list(schemathesis.GenerationMode),
        generation_config=API.config.generation_for(operation=operation),
    )
    return (case for case in cases if case.method.upper() == operation.method.upper())


@ALL
def test_a_right_request_is_drawn_for_each_route_and_wrong_ones_at_its_bounds(name: str) -> None:
    modes = [case.meta.generation.mode for case in islice(at_the_bounds(OPERATIONS[name]), BOUNDS)]

    assert RIGHT in modes


def plain(operation: Any, there: dict[str, Any], api: TestClient, key: dict[str, str]) -> int:
    """The status of a request without a body, by this key."""
    path = operation.path.format_map(there)
    answer = api.request(operation.method.upper(), path, headers=key)
    return int(answer.status_code)


def test_without_a_key_exactly_the_routes_that_say_so_answer_401(
    api: TestClient, there: dict[str, Any]
) -> None:
    del api.headers["Authorization"]

    answers = {name: plain(one, there, api, {}) for name, one in OPERATIONS.items()}
    says = {name for name, one in OPERATIONS.items() if "401" in one.definition.raw["responses"]}
    assert {name for name, status in answers.items() if status == 401} == says
    assert len(says) >= 25


def test_a_viewers_key_is_answered_403_by_exactly_the_routes_that_say_so(
    api: TestClient, there: dict[str, Any], key_of: Callable[[str], dict[str, str]]
) -> None:
    key = key_of("viewer")

    answers = {name: plain(one, there, api, key) for name, one in OPERATIONS.items()}
    says = {name for name, one in OPERATIONS.items() if "403" in one.definition.raw["responses"]}
    assert {name for name, status in answers.items() if status == 403} == says
    assert len(says) >= 15


def test_without_a_database_every_route_that_says_so_answers_503_and_when_to_ask_again(
    api: TestClient, there: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("away"))

    monkeypatch.setattr(auth.keys, "caller_of", away)  # type: ignore[attr-defined]
    for name, one in OPERATIONS.items():
        if name.split()[1].startswith("/api/"):
            answer = api.request(one.method.upper(), one.path.format_map(there))
            assert (answer.status_code, name) == (503, name)
            assert int(answer.headers["Retry-After"]) > 0
            assert "503" in one.definition.raw["responses"]


def test_a_body_beyond_its_bound_is_answered_413_by_every_route(
    api: TestClient, there: dict[str, Any]
) -> None:
    huge = {"Content-Length": str(1 << 40)}

    for name, one in OPERATIONS.items():
        assert plain(one, there, api, huge) == 413, name
        assert "413" in one.definition.raw["responses"]


def test_odd_bytes_and_huge_numbers_in_an_address_are_answered_as_described(
    api: TestClient, there: dict[str, Any]
) -> None:
    for odd, (name, one) in product(ODD, OPERATIONS.items()):
        path = re.sub(r"\{\w+\}", odd, one.path)
        for query in (f"?after={odd}&subject={odd}", f"?limit={odd}&status={odd}"):
            answer = api.request(one.method.upper(), path + query)
            described = one.definition.raw["responses"]
            assert str(answer.status_code) in described, (name, query, answer.text)


def test_every_refusal_that_is_described_has_our_shape_and_says_what_it_means() -> None:
    for one in OPERATIONS.values():
        for status, told in one.definition.raw["responses"].items():
            if status >= "400" and one.path != "/readyz":
                shown = told["content"]["application/json"]
                assert shown["schema"] == {"$ref": "#/components/schemas/Refusal"}
                assert told["description"]
                code = shown["example"]["error"]["code"]
                assert errors.STATUS.get(code, 422) == int(status), code
    assert {"HTTPValidationError", "ValidationError"} & set(
        DESCRIBED["components"]["schemas"]
    ) == set()


def test_every_answer_is_described_to_the_last_field_and_shown_by_an_example_of_that_shape() -> (
    None
):
    shown = 0
    for name, one in OPERATIONS.items():
        for status, told in one.definition.raw["responses"].items():
            assert bool(told.get("content")) is (status != "204"), (name, status)
            for kind, content in told.get("content", {}).items():
                assert content["example"], (name, status)
                if kind == "application/json":
                    fits(content["example"], content["schema"])
                    assert is_closed(content["schema"]), (name, status)
                    shown += 1
    assert shown > 100


def fits(example: Any, schema: dict[str, Any]) -> None:
    """Raises ValidationError unless the example is one of the schema."""
    validator = Draft202012Validator(schema | {"components": DESCRIBED["components"]})
    validator.validate(example)


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether an object of this schema has only fields that it names."""
    if "$ref" in schema:
        return is_closed(DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return all(map(is_closed, schema["anyOf"]))
    return schema.get("additionalProperties") is False


#: It answers with the parts that are asked, each with a word: no view, described by hand.
BY_HAND: Final = {"GET /readyz"}


def answers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each route that answers what it was asked for in JSON, and the schema of that answer."""
    for name, one in OPERATIONS.items():
        for status, told in one.definition.raw["responses"].items():
            json_ = told.get("content", {}).get("application/json")
            if status < "300" and json_ is not None and name not in BY_HAND:
                yield name, json_["schema"]


def named(schema: dict[str, Any]) -> set[str]:
    """The models that a schema names, itself."""
    if "$ref" in schema:
        return {schema["$ref"].rpartition("/")[2]}
    inside = [*schema.get("anyOf", []), schema.get("items", {})]
    return {name for one in inside for name in named(one)} if any(inside) else set()


def shown_fields() -> dict[str, dict[str, Any]]:
    """Every field of every model that an answer is made of, as `Model.field`."""
    schemas = DESCRIBED["components"]["schemas"]
    fields: dict[str, dict[str, Any]] = {}
    left = {model for _, schema in answers() for model in named(schema)}
    seen: set[str] = set()
    while left:
        model = left.pop()
        seen.add(model)
        for name, field in schemas[model]["properties"].items():
            fields[f"{model}.{name}"] = field
            left |= named(field) - seen
    return fields


def test_every_answer_has_a_model_by_name() -> None:
    found = list(answers())

    assert len(found) > 25
    assert [name for name, schema in found if not named(schema)] == []


def test_every_field_of_an_answer_says_what_it_means_or_is_a_model_that_does() -> None:
    fields = shown_fields()

    assert len(fields) > 100
    assert [name for name, field in fields.items() if not is_told(field)] == []


def is_told(field: dict[str, Any]) -> bool:
    """Whether a field says what it means, or each model in it does."""
    models = [DESCRIBED["components"]["schemas"][name] for name in named(field)]
    said = [model.get("description") for model in models]
    return bool(field.get("description")) or (bool(said) and all(said))


def test_a_number_of_an_answer_says_its_unit() -> None:
    """An instant is told as one; a span says seconds; a size or a pace says what is counted."""
    words = {"seconds": "second", "per_second": "a second", "per_day": "a day", "rate": "a second"}
    silent = [
        (name, field["description"])
        for name, field in shown_fields().items()
        for end, unit in words.items()
        if name.rpartition(".")[2].endswith(end) and unit not in field["description"].lower()
    ]

    assert silent == []


def test_the_form_of_an_upload_says_what_may_be_told_of_a_file() -> None:
    body = DESCRIBED["paths"]["/api/campaigns"]["post"]["requestBody"]["content"]
    form = body["multipart/form-data"]["schema"]["properties"]

    assert {"encoding", "delimiter", "include_hidden"} <= set(form["settings"]["properties"])


def test_every_post_takes_an_idempotency_key() -> None:
    takes = {
        name
        for name, one in OPERATIONS.items()
        for given in one.definition.raw.get("parameters", [])
        if given["name"] == "Idempotency-Key"
    }

    assert takes == {name for name in OPERATIONS if name.startswith("POST ")}
