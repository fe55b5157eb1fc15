"""What a function takes and gives has a type: `Any` says nothing, and is counted."""

import ast
import re
from collections import Counter
from typing import Final

from tests.support import sources

#: How often a signature says `Any` itself, by file. The numbers may only become smaller.
RAW: Final[dict[str, int]] = {
    "scheduler/agents/settings.py": 11,
    "scheduler/cli/output.py": 1,
    "scheduler/http/api/suppressions.py": 1,
    "scheduler/http/callbacks/edge.py": 1,
    "scheduler/http/connections.py": 2,
    "scheduler/http/documented_errors.py": 1,
    "scheduler/http/examples.py": 1,
    "scheduler/http/health.py": 1,
    "scheduler/http/requests.py": 2,
    "scheduler/import_process/child.py": 1,
    "scheduler/import_process/protocol.py": 1,
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
    "shared/providers/registry.py": 1,
    "shared/providers/twilio/adapter.py": 1,
    "shared/providers/twilio/client.py": 5,
    "shared/providers/twilio/options.py": 5,
    "shared/queue/app.py": 1,
    "shared/queue/beside.py": 8,
    "shared/queue/consumer.py": 9,
    "shared/queue/handles.py": 1,
    "shared/throttle/__init__.py": 2,
    "shared/throttle/slot_counts.py": 1,
    "shared/views/fields.py": 8,
    "shared/views/timeline.py": 2,
    "worker/send/circuit_breaker.py": 1,
    "worker/send/engine.py": 4,
}
#: Library signatures, and the wires of a process to itself.
LOOSE: Final = [
    ("scheduler/http/callbacks/edge.py", "_begun"),
    ("scheduler/import_process/child.py", "_imported"),
    ("shared/given/secret_files.py", "__call__"),
    ("shared/queue/beside.py", "_get_info"),
    ("shared/queue/handles.py", "task"),
]
#: /healthz and its like say what is wrong. The sending engine gives back what it cannot send.
ANSWER_FOR_IT: Final = ["scheduler/http/health.py"] * 2 + ["worker/send/engine.py"] * 2
_ROOMS: Final = ("shared/", "scheduler/", "worker/")
_ANY: Final = re.compile(r"\bAny\b")
#: A row of a query whose columns the query names; SQLAlchemy has no word for it.
_ROW: Final = re.compile(r"\bRow\[Any\]")
#: What is thrown and caught says what went wrong, and not what an HTTP server would answer.
_ERRORS: Final = {"InWords", "Refused", "Misconfigured"}


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
