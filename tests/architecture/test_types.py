"""What a function takes and gives has a type: `Any` says nothing, and is counted."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tests.support import sources

#: How often a signature says `Any` itself, by file. The numbers may only become smaller.
RAW: Final[dict[str, int]] = {
    "scheduler/agents/settings.py": 10,
    "scheduler/cli/output.py": 1,
    "scheduler/http/api/suppressions.py": 1,
    "scheduler/http/connections.py": 1,
    "scheduler/http/documented_errors.py": 1,
    "scheduler/http/examples.py": 1,
    "scheduler/http/health.py": 1,
    "scheduler/http/pipelines.py": 2,
    "scheduler/http/requests.py": 2,
    "scheduler/http/turns.py": 1,
    "scheduler/ingest/resource_limits.py": 1,
    "scheduler/nudges.py": 1,
    "shared/db/audit.py": 1,
    "shared/db/session.py": 2,
    "shared/domain/numbering.py": 3,
    "shared/errors.py": 2,
    "shared/given/secret_files.py": 2,
    "shared/ledger/evidence.py": 1,
    "shared/ledger/strangers.py": 1,
    "shared/logging.py": 1,
    "shared/outage.py": 1,
    "shared/providers/provider.py": 1,
    "shared/providers/twilio/adapter.py": 1,
    "shared/providers/twilio/client.py": 5,
    "shared/providers/twilio/options.py": 4,
    "shared/queue/app.py": 1,
    "shared/queue/beside.py": 8,
    "shared/queue/consumer.py": 9,
    "shared/throttle/__init__.py": 2,
    "shared/throttle/slot_counts.py": 1,
    "shared/views/fields.py": 8,
    "worker/send/circuit_breaker.py": 1,
    "worker/send/engine.py": 4,
}
#: Signatures that a library prescribes.
LOOSE: Final = [
    ("shared/given/secret_files.py", "__call__"),
    ("shared/queue/beside.py", "_get_info"),
]
#: What comes back as `Any`: a library's own objects, JSON that may be of any shape, and values on
#: their way to a library. Nobody may join them, and who leaves is crossed out.
GIVEN_BACK: Final = {
    "scheduler/agents/settings.py": [
        *("_a_day", "_a_pace", "_between", "_numbers_are_senders", "_within_bounds"),
    ],
    "scheduler/http/examples.py": ["example"],
    "scheduler/http/requests.py": ["strict_json"],
    "scheduler/ingest/resource_limits.py": ["__getattr__"],
    "shared/domain/numbering.py": ["_countries"],
    "shared/errors.py": ["_readable"],
    "shared/given/secret_files.py": ["__call__", "get_field_value"],
    "shared/ledger/evidence.py": ["_columns"],
    "shared/logging.py": ["get_logger"],
    "shared/providers/twilio/options.py": ["_one_of", "_sid", "_texts", "_whole"],
    "shared/queue/beside.py": ["_get_info"],
    "shared/queue/consumer.py": ["call_soon_ack", "consumer", "ensure_connected"],
    "shared/throttle/__init__.py": ["_arguments"],
    "shared/views/fields.py": ["_adapter", "as_json"],
    "worker/send/engine.py": ["_in_claimer"],
}
#: Who gives back opaque `Json`: settings as they are stored or sealed, columns of a row to be
#: written, what two processes say to each other, and a description of the API. A fact that people
#: are shown is none of these: it has a view.
OPAQUE: Final = {
    "scheduler/agents/settings.py": ["checked"],
    "scheduler/agents/store.py": ["_columns", "_rate_columns", "_rates", "_told"],
    "scheduler/campaigns/create.py": ["_facts"],
    "scheduler/campaigns/settings.py": ["checked_options", "stored"],
    "scheduler/cli/agent.py": ["_given", "_senders"],
    "scheduler/http/docs.py": ["_operations"],
    "scheduler/http/documented_errors.py": ["_refusal", "openapi"],
    "scheduler/http/errors.py": ["_detail"],
    "scheduler/import_process/child.py": ["_imported"],
    "scheduler/import_process/protocol.py": ["lines", "told"],
    "scheduler/ingest/check/report.py": ["_shown", "as_dict"],
    "scheduler/ingest/read/warnings.py": ["as_dict"],
    "shared/ledger/agents.py": ["_stored"],
    "shared/ledger/routing.py": ["opened"],
    "shared/providers/twilio/adapter.py": ["_arguments", "_fields"],
    "shared/providers/twilio/schema.py": ["checked"],
    "shared/secrets.py": ["unseal"],
}
#: Names for types that have an `Any` inside: a signature that says such a name says `Any`.
NAMED: Final = {"shared/ledger/evidence.py": ["_Query"], "shared/opaque.py": ["Json"]}
#: Numbers in `shared` that look like an HTTP status of ours and are none: an area code, a length,
#: and what a provider has answered.
NO_STATUS: Final = {
    "shared/domain/numbering.py": [500, 500],
    "shared/domain/segments.py": [400, 400],
    "shared/throttle/__init__.py": [429, 429, 429],
}
#: Here HTTP is spoken as a client: a status is what somebody else has answered.
CLIENTS: Final = ("shared/providers/twilio/", "shared/providers/transport/")
#: /healthz and its like say what is wrong. The sending engine gives back what it cannot send.
ANSWER_FOR_IT: Final = ["scheduler/http/health.py"] * 2 + ["worker/send/engine.py"] * 2
_ROOMS: Final = ("shared/", "scheduler/", "worker/")
_ANY: Final = re.compile(r"\bAny\b")
#: A row of a query whose columns the query names; SQLAlchemy has no word for it.
_ROW: Final = re.compile(r"\bRow\[Any\]")
#: What is thrown and caught says what went wrong, and not what an HTTP server would answer.
_ERRORS: Final = {"InWords", "Refused", "Misconfigured"}
#: What only whoever answers over HTTP needs.
_HTTP: Final = re.compile(r"\bHTTPStatus\b|^(?:from|import) (?:http\b|fastapi|starlette)", re.M)
_STATUS: Final = re.compile(r"(?<![\d.])(40[0-9]|41[0-9]|42[0-9]|431|451|50[0-9])(?![\d.]*\d)")
_SAID: Final = re.compile(r"\b(?:Refused|Misconfigured|[Rr]efuses?|refused)[ (:]{1,2}[45]\d\d\b")


def rooms() -> Iterator[tuple[str, ast.Module]]:
    """The files of the application, and their trees."""
    for path in sources.modules():
        if sources.name(path).startswith(_ROOMS):
            yield sources.name(path), sources.tree(path)


def says_any(note: ast.expr | None) -> bool:
    """Whether a type says `Any`, but for a row's."""
    return note is not None and bool(_ANY.search(_ROW.sub("Row", ast.unparse(note))))


def is_a_type(value: ast.expr | None) -> bool:
    """Whether this can be a name for a type, as no call and no plain value can."""
    return isinstance(value, ast.Subscript | ast.BinOp | ast.Name | ast.Attribute)


def signatures() -> list[tuple[str, str, str]]:
    """(file, function, annotation) of everything that functions take and give."""
    found = []
    for path in sources.modules():
        name = sources.name(path)
        if not name.startswith(_ROOMS):
            continue
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                taken = [*given.posonlyargs, *given.args, *given.kwonlyargs]
                taken += [one for one in (given.vararg, given.kwarg) if one is not None]
                notes = [one.annotation for one in taken] + [node.returns]
                found += [(name, node.name, ast.unparse(note)) for note in notes if note]
    return found


def test_no_signature_says_any_that_did_not_before_and_the_list_only_shrinks() -> None:
    counted = Counter(
        name for name, _, note in signatures() for _ in _ANY.findall(_ROW.sub("Row", note))
    )

    assert dict(counted) == RAW


def test_nothing_is_handed_on_as_a_dict_of_anything() -> None:
    loose = [
        (name, function)
        for name, function, note in signatures()
        if "dict[str, Any]" in note.replace("Dict", "dict")
    ]

    assert sorted(set(loose)) == sorted(LOOSE)


def returned(asked: Callable[[ast.expr | None], bool]) -> dict[str, list[str]]:
    """The functions that give back what is asked for, by file."""
    found: dict[str, list[str]] = {}
    for name, tree in rooms():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and asked(node.returns):
                found.setdefault(name, []).append(node.name)
    return {name: sorted(functions) for name, functions in found.items()}


def test_no_function_gives_back_any_that_did_not_before_and_the_list_only_shrinks() -> None:
    assert returned(says_any) == GIVEN_BACK


def test_opaque_json_is_given_back_by_no_more_functions_than_today() -> None:
    assert returned(lambda note: note is not None and "Json" in _words(note)) == OPAQUE


def _words(note: ast.expr) -> set[str]:
    return set(re.findall(r"\w+", ast.unparse(note)))


def test_no_other_name_hides_an_any() -> None:
    named: dict[str, list[str]] = {}
    for name, tree in rooms():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and is_a_type(node.value):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                if says_any(node.value):
                    named.setdefault(name, []).append(ast.unparse(target))

    named.pop("shared/db/models/declarative.py")  # a column's type, for no signature
    assert named == NAMED


def test_no_view_has_a_field_of_any_shape_but_opaque_json() -> None:
    loose = [
        (name, ast.unparse(field))
        for name, tree in rooms()
        if name.startswith("shared/views/")
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and says_any(field.annotation)
    ]

    assert loose == []


def test_every_view_is_a_frozen_value() -> None:
    views = [
        (name, node.name, " ".join(map(ast.unparse, node.decorator_list)))
        for name, tree in rooms()
        if name.startswith("shared/views/")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]

    assert len(views) > 20
    assert [view for view in views if "frozen=True" not in view[2]] == []


def test_shared_knows_no_http_status_of_ours() -> None:
    """Neither in its code nor in its words: what an error is answered with the edge knows."""
    numbers: dict[str, list[int]] = {}
    for path in sources.modules():
        name = sources.name(path)
        if name.startswith("shared/") and not name.startswith(CLIENTS):
            text = path.read_text()
            assert not _HTTP.search(text), name
            if found := [int(number) for number in _STATUS.findall(text)]:
                numbers[name] = found

    assert numbers == NO_STATUS


def test_outside_the_http_edge_nobody_says_with_which_status_something_is_refused() -> None:
    saying = [
        (sources.name(path), said)
        for path in sources.modules()
        if sources.name(path).startswith(_ROOMS)
        and not sources.name(path).startswith("scheduler/http/")
        for said in _SAID.findall(" ".join(path.read_text().split()))
    ]

    assert saying == []


def test_an_error_of_ours_knows_no_http_status() -> None:
    knowing = [
        (sources.name(path), node.lineno)
        for path in sources.modules()
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in _ERRORS
        and any(keyword.arg == "status" for keyword in node.keywords)
    ]

    assert knowing == []


def test_a_loop_does_not_catch_a_wrong_setting_beside_a_server_that_is_away() -> None:
    caught = [
        sources.name(path)
        for path in sources.modules()
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.ExceptHandler)
        and isinstance(node.type, ast.Tuple)
        and {"DBAPIError", "RedisError"} & set(map(ast.unparse, node.type.elts))
        and {"Misconfigured", "InWords", "VolleyError"} & set(map(ast.unparse, node.type.elts))
    ]

    assert caught == ANSWER_FOR_IT
