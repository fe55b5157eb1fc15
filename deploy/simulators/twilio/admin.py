"""The simulator's own endpoints, which Twilio does not have: ground truth, dials, manual."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.simulators.kit import admin
from deploy.simulators.kit.admin import Unusable, json_object, page_asked
from deploy.simulators.kit.http_client import Client
from deploy.simulators.kit.http_server import Request
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio.accounts import Accounts
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.delivery import Deliveries
from deploy.simulators.twilio.log_rows import CreateEntry, Post
from deploy.simulators.twilio.recipients import Recipients
from deploy.simulators.twilio.scripted_numbers import Script
from deploy.simulators.twilio.store import Store


@dataclass(frozen=True, slots=True)
class Admin:
    """All that these endpoints look at and change."""

    seed: int
    chance: random.Random
    dials: Dials
    accounts: Accounts
    timeline: Timeline
    client: Client
    log: Log[CreateEntry, Post]
    store: Store
    script: Script
    recipients: Recipients
    deliveries: Deliveries

    def serves(self, request: Request) -> bool:
        """Answer the request, if it is for one of these endpoints."""
        name = f"{request.method} {request.path}"
        if name not in ENDPOINTS:
            return False
        _, endpoint = ENDPOINTS[name]
        admin.answer(request, lambda asked: endpoint(self, asked))
        return True

    def index(self, _: Request) -> dict[str, str]:
        return {name: does for name, (does, _endpoint) in ENDPOINTS.items()}

    def creates(self, request: Request) -> dict[str, Any]:
        return self.log.creates(*page_asked(request))

    def callbacks(self, request: Request) -> dict[str, Any]:
        return self.log.callbacks(*page_asked(request))

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
        self.dials.change(json_object(request))
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
        document = json_object(request)
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
