"""/openapi.json, and /docs: the same as one page that needs no script and no other server.

Both are open to strangers, and made once: for each request anew they would cost more than any
other answer. They are made in a thread: nobody waits for that but who asks for them.
"""

import json
import threading
from collections.abc import Iterator
from html import escape
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from shared.opaque import Json

router = APIRouter(include_in_schema=False)

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; text-transform: capitalize }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { background: #8881; padding: .75rem; overflow-x: auto }
summary { cursor: pointer; padding: .3rem 0 }
b { display: inline-block; min-width: 4.5rem }
:root { color-scheme: light dark }
"""
_OPENING: Final = """
<p>Send your key as <code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>. Every
POST takes an <code>Idempotency-Key</code>. Refusals are
<code>{"error": {"code", "message", "details"}}</code>. For programs: <a href="/openapi.json">
/openapi.json</a>.</p>
"""


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description."""
    return Response((await _made(request.app)).document, media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse((await _made(request.app)).page)


class _Made(NamedTuple):
    document: bytes
    page: bytes


_MADE: Final[WeakKeyDictionary[FastAPI, _Made]] = WeakKeyDictionary()
_MAKING: Final = threading.Lock()


async def _made(app: FastAPI) -> _Made:
    made = _MADE.get(app)
    return await run_in_threadpool(_make, app) if made is None else made


def _make(app: FastAPI) -> _Made:
    with _MAKING:
        made = _MADE.get(app)
        if made is None:
            described = app.openapi()
            made = _Made(orjson.dumps(described), "".join(_page(described)).encode())
            _MADE[app] = made
        return made


def _page(described: Json) -> Iterator[str]:
    title = escape(described["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>'
    yield f"<style>{_STYLE}</style><h1>{title}</h1>{_OPENING}"
    seen = ""
    for path, method, operation in _operations(described):
        tag = operation.get("tags", ["other"])[0]
        if tag != seen:
            yield f"<h2>{escape(tag)}</h2>"
            seen = tag
        yield from _operation(path, method, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in described.get("components", {}).get("schemas", {}).items():
        yield f"<details><summary>{escape(name)}</summary>{_json(schema)}</details>"


def _operations(described: Json) -> list[tuple[str, str, Json]]:
    """In the order of their first tag, and within it as they were written."""
    found = [
        (path, method.upper(), operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    tags = list(dict.fromkeys(op.get("tags", ["other"])[0] for _, _, op in found))
    return sorted(found, key=lambda one: tags.index(one[2].get("tags", ["other"])[0]))


def _operation(path: str, method: str, operation: Json) -> Iterator[str]:
    yield f"<details><summary><b>{method}</b> <code>{escape(path)}</code></summary>"
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<ul>"
        for given in parameters:
            told = escape(given.get("description", ""))
            yield f"<li><code>{escape(given['name'])}</code> ({given['in']}) {told}</li>"
        yield "</ul>"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(kind)}</code></p>{_json(body.get('schema', {}))}"
    yield "<p>Answers:</p><ul>"
    for status, told in operation["responses"].items():
        yield f"<li><code>{status}</code> {escape(told['description'])}</li>"
    yield "</ul></details>"


def _json(schema: Json) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=1, ensure_ascii=False))}</pre>"
