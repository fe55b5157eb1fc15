"""Endpoints that the simulated provider does not have: ground truth, dials, manual. JSON out.

They need no credentials: a simulator listens on loopback only, and these answer only requests for
a loopback host. A page from anywhere may send a browser on this machine here, by a name that
resolves to 127.0.0.1 or by a form: the Host or the Origin then shows it.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from deploy.simulators.kit.http_server import Request

Endpoint = Callable[[Request], object]
"""Returns what becomes the JSON of the answer. Raises ValueError (400) with a sentence."""

LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
STRANGER = (
    "ask http://127.0.0.1 or http://localhost, and from no other page: this is not for the web"
)
PAGE = 1000
PAGE_LIMIT = 10_000  # about 20 ms of the loop's time, during which no request is read


class Unusable(ValueError):
    """A request to the simulator itself that cannot be met; the message says why."""


def answer(request: Request, endpoint: Endpoint) -> None:
    """Answer a request to one of these endpoints: 200, 400 with the reason, or 403."""
    if not _is_from_here(request):
        request.answer(403, orjson.dumps({"error": STRANGER}))
        return
    try:
        document = endpoint(request)
    except ValueError as error:  # pydantic's too
        request.answer(400, orjson.dumps({"error": str(error)}))
    else:
        request.answer(200, orjson.dumps(document))


def page_asked(request: Request) -> tuple[int, int]:
    """`after` and `limit` of a request for a page of the log. Raises Unusable, ValueError."""
    query = dict(parse_qsl(request.query))
    after, limit = int(query.get("after", 0)), int(query.get("limit", PAGE))
    if after < 0 or not 0 < limit <= PAGE_LIMIT:
        raise Unusable(f"after is 0 or more, limit 1 to {PAGE_LIMIT}")
    return after, limit


def json_object(request: Request) -> dict[str, Any]:
    """The request's body, {} for an empty one. Raises Unusable, ValueError."""
    document = orjson.loads(request.body or b"{}")
    if not isinstance(document, dict):
        raise Unusable("the body must be a JSON object")
    return document


def _is_from_here(request: Request) -> bool:
    """Whether a loopback host was asked for, by no page but one of its own."""
    if not LOOPBACK.fullmatch(request.host):
        return False
    return request.origin.lower() in {"", f"http://{request.host}".lower()}
