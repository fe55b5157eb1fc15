"""The simulator's inside: all its parts, wired together, and the routing of requests to them."""

import asyncio
import random
import re

from deploy.simulators.kit.http_client import Client
from deploy.simulators.kit.http_server import Request
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio import answers, resources
from deploy.simulators.twilio.accounts import Account, Accounts
from deploy.simulators.twilio.admin import Admin
from deploy.simulators.twilio.callbacks import Callbacks
from deploy.simulators.twilio.controls import Dials, ScriptFile
from deploy.simulators.twilio.create_message import CreateMessage
from deploy.simulators.twilio.delivery import Deliveries
from deploy.simulators.twilio.log_rows import CreateEntry, Post
from deploy.simulators.twilio.messages import Messages
from deploy.simulators.twilio.recipients import Recipients
from deploy.simulators.twilio.scripted_numbers import Script
from deploy.simulators.twilio.store import Store
from deploy.simulators.twilio.subresources import Subresources

ROUTE = re.compile(
    r"/2010-04-01/Accounts/(?P<account>AC\w{32})"
    r"(?P<messages>/Messages(?:/(?P<sid>\w+)(?:/(?P<part>Media|Feedback)(?:/(?P<file>\w+))?)?)?)?"
    r"(?:\.json|\.xml)?"
)


class Router:
    """Everything the carrier knows and does, on the running loop."""

    def __init__(self, account: Account, script: ScriptFile, seed: int) -> None:
        chance = random.Random(seed)
        log, store = Log[CreateEntry, Post](), Store()
        table = Script(script.numbers, script.senders)
        self._dials = dials = Dials(script.control())
        self._accounts = Accounts([account, *(entry.account() for entry in script.accounts)])
        self._timeline = timeline = Timeline(asyncio.get_running_loop())
        self._client = Client(lambda: dials.now.callback_connections)
        callbacks = Callbacks(self._client, timeline, log)
        recipients = Recipients(store, callbacks, timeline, dials)
        deliveries = Deliveries(
            timeline, callbacks, chance=chance, dials=dials, recipients=recipients
        )
        deliveries.pools = script.services
        self._messages = Messages(store, deliveries, dials)
        self._subresources = Subresources()
        self._create_message = CreateMessage(
            dials, chance, timeline, store, log, deliveries, recipients, table, script.services
        )
        self._admin = Admin(
            seed, chance, dials, self._accounts, timeline, self._client, log, store, table,
            recipients, deliveries,
        )  # fmt: skip

    def route(self, request: Request) -> None:
        """Answer one request, now or later."""
        answers.prepare(request)
        found = ROUTE.fullmatch(request.path)
        if found is None:
            if not self._admin.serves(request):
                answers.refuse(request, 20404)
            return
        account_sid, messages, sid, part, file = found.groups()
        account = self._accounts.authenticate(request.authorization)
        code = self._admit(request, account, account_sid)
        if messages and not sid and request.method == "POST":
            self._create_message.receive(request, account, account_sid, code=code)
        elif code is not None or account is None:
            answers.refuse(request, code or 20003)
        elif part:
            message = self._messages.store.find(account.sid, sid)
            self._subresources.serve(request, message, part=part, file=file)
        elif messages:
            self._existing(request, account, sid)
        elif request.method == "GET":
            answers.give(request, "Account", resources.account(account.sid))
        else:
            answers.refuse(request, 20004)

    def close(self) -> None:
        """Nothing more happens: no answer, no step, no callback."""
        self._timeline.close()
        self._client.close()

    def _admit(self, request: Request, account: Account | None, sid: str) -> int | None:
        """The code to refuse with, if the caller may not, or not now. Counts calls at once."""
        if account is None:
            return 20003
        if account.sid != sid:
            return 20003 if sid in self._accounts else 20404
        account.concurrent += 1
        request.done = account.release
        request.standing = b"Twilio-Concurrent-Requests: %d\r\n" % account.concurrent
        limit = self._dials.now.concurrency_limit
        return 20429 if limit is not None and account.concurrent > limit else None

    def _existing(self, request: Request, account: Account, sid: str | None) -> None:
        match request.method, sid:
            case "GET", None:
                self._messages.list(request, account)
            case "GET", str():
                self._messages.fetch(request, account, sid)
            case "POST", str():
                self._messages.update(request, account, sid)
            case "DELETE", str():
                self._messages.delete(request, account, sid)
            case _:
                answers.refuse(request, 20004)
