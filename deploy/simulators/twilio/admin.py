"""The simulator's own endpoints, which Twilio does not have: ground truth, dials, manual.

They need no credentials: the carrier listens on loopback only, and these answer only to whoever
asked for a loopback host. A browser on this machine may be led here by a page from anywhere, by a
name that leads to 127.0.0.1 or by a form: the Host or the Origin then tells.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from deploy.simulators.kit.http_client import Client
from deploy.simulators.kit.http_server import Request
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio.accounts import Accounts
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.delivery import Deliveries
from deploy.simulators.twilio.recipients import Recipients
from deploy.simulators.twilio.scripted_numbers import Script
from deploy.simulators.twilio.store import Store
from deploy.simulators.twilio.validation import Form

LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
STRANGER = (
    "ask http://127.0.0.1 or http://localhost, and from no other page: this is not for the web"
)
PAGE = 1000
PAGE_LIMIT = 10_000  # about 20 ms of the loop's time, during which no request is read


class Unusable(ValueError):
    """A request to the simulator itself that cannot be met; the message says why."""


@dataclass(frozen=True, slots=True)
class Admin:
    """JSON in, JSON out."""

    seed: int
    chance: random.Random
    dials: Dials
    accounts: Accounts
    timeline: Timeline
    client: Client
    log: Log
    store: Store
    script: Script
    recipients: Recipients
    deliveries: Deliveries

    def serves(self, request: Request) -> bool:
        """Answer the request, if it is for one of these endpoints."""
        name = f"{request.method} {request.path}"
        if name not in ENDPOINTS:
            return False
        if not _is_from_here(request):
            request.answer(403, orjson.dumps({"error": STRANGER}))
            return True
        _, endpoint = ENDPOINTS[name]
        try:
            document = endpoint(self, request)
        except (ValidationError, ValueError) as error:
            request.answer(400, orjson.dumps({"error": str(error)}))
        else:
            request.answer(200, orjson.dumps(document))
        return True

    def index(self, _: Request) -> dict[str, str]:
        return {name: does for name, (does, _endpoint) in ENDPOINTS.items()}

    def creates(self, request: Request) -> dict[str, Any]:
        return self.log.creates(*_page(request))

    def callbacks(self, request: Request) -> dict[str, Any]:
        return self.log.callbacks(*_page(request))

    def stats(self, _: Request) -> dict[str, Any]:
        return {
            **self.log.totals(),
            "messages": len(self.store),
            "to_come": len(self.timeline),
            "posts_waiting": self.client.waiting(),
        }

    def table(self, _: Request) -> dict[str, str]:
        return self.script.table()

    def control(self, _: Request) -> dict[str, Any]:
        return self.dials.now.model_dump(mode="json")

    def change(self, request: Request) -> dict[str, Any]:
        self.dials.change(_object(request))
        return self.control(request)

    def reset(self, request: Request) -> dict[str, Any]:
        self.deliveries.stop()
        self.log.clear()
        self.store.clear()
        self.recipients.clear()
        self.script.forget()
        self.chance.seed(self.seed)
        return self.stats(request)

    def inbound(self, request: Request) -> dict[str, Any]:
        document = _object(request)
        try:
            person, to, body = (str(document[name]) for name in ("from", "to", "body"))
        except KeyError as missing:
            raise Unusable(f"{missing} is missing") from None
        sid = str(document.get("account_sid", self.accounts.first().sid))
        if sid not in self.accounts:
            raise Unusable(f"there is no account {sid}")
        account = self.accounts[sid]
        return {"sid": self.recipients.text(account, person=person, to=to, body=body)}


Endpoint = Callable[[Admin, Request], object]

ENDPOINTS: Final[dict[str, tuple[str, Endpoint]]] = {
    "GET /": ("this list", Admin.index),
    "GET /log": ("every create, in order of arrival: ?after=N&limit=M", Admin.creates),
    "GET /callbacks": ("every try to post a callback: ?after=N&limit=M", Admin.callbacks),
    "GET /stats": ("counts", Admin.stats),
    "GET /script": ("what a number does, by its last digits", Admin.table),
    "GET /control": ("the dials", Admin.control),
    "POST /control": ("set dials: a JSON object with those to change", Admin.change),
    "POST /inbound": ('a person texts: {"from", "to", "body"}', Admin.inbound),
    "POST /reset": ("forget messages, log, first tries, opt-outs; dials stay", Admin.reset),
}


def _is_from_here(request: Request) -> bool:
    """Whether a loopback host was asked for, by no page but one of its own."""
    if not LOOPBACK.fullmatch(request.host):
        return False
    return request.origin.lower() in {"", f"http://{request.host}".lower()}


def _page(request: Request) -> tuple[int, int]:
    query = Form(request.query.encode())
    after, limit = int(query.get("after") or 0), int(query.get("limit") or PAGE)
    if after < 0 or not 0 < limit <= PAGE_LIMIT:
        raise Unusable(f"after is 0 or more, limit 1 to {PAGE_LIMIT}")
    return after, limit


def _object(request: Request) -> dict[str, Any]:
    document = orjson.loads(request.body or b"{}")
    if not isinstance(document, dict):
        raise Unusable("the body must be a JSON object")
    return document
