"""Fetch, list, cancel, redact and delete messages, as Twilio's REST API does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from deploy.simulators.kit.http_server import Request
from deploy.simulators.twilio import answers, pages, resources
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.answers import refuse
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.delivery import Deliveries
from deploy.simulators.twilio.store import UNDER_WAY, WAITING, Message, Store
from deploy.simulators.twilio.validation import Form
from shared import clock

FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")


@dataclass(slots=True)
class Messages:
    """The routes of messages that exist."""

    store: Store
    deliveries: Deliveries
    dials: Dials

    def list(self, request: Request, account: Account) -> None:
        """Newest first; filters To, From, DateSent, DateSent<, DateSent>; pages by PageToken."""
        if self.dials.now.list_down:
            refuse(request, 20503)
            return
        page = pages.asked(request, FILTERS)
        if page is not None:
            shown, more = self._shown(account, page)
            rows = [resources.message(message) for message in shown]
            document = page.document("messages", rows, more=more)
            answers.give(request, "Messages", document, each="Message")

    def fetch(self, request: Request, account: Account, sid: str) -> None:
        message = self.store.find(account.sid, sid)
        if message is None:
            refuse(request, 20404)
        else:
            answers.give(request, "Message", resources.message(message))

    def update(self, request: Request, account: Account, sid: str) -> None:
        """`Status=canceled` stops what has not gone yet; `Body=` empties the text."""
        message = self.store.find(account.sid, sid)
        form = Form(request.body)
        if message is None:
            refuse(request, 20404)
        elif "Body" in form and "Status" not in form and form.get("Body") is None:
            self._redact(request, message)
        elif form.get("Status") == "canceled" and "Body" not in form:
            self._cancel(request, message, account)
        else:
            refuse(request, 30400)

    def delete(self, request: Request, account: Account, sid: str) -> None:
        message = self.store.find(account.sid, sid)
        if message is None:
            refuse(request, 20404)
        elif message.status in UNDER_WAY:
            refuse(request, 20009)
        else:
            message.deleted = True
            request.answer(204, b"")

    def _cancel(self, request: Request, message: Message, account: Account) -> None:
        if message.status not in WAITING:
            refuse(request, 30409)
            return
        message.becomes("canceled", None, clock.unix())
        self.deliveries.canceled(message, account)
        answers.give(request, "Message", resources.message(message))

    def _redact(self, request: Request, message: Message) -> None:
        if message.status in UNDER_WAY:
            refuse(request, 20009)
            return
        message.body, message.updated = "", clock.unix()
        answers.give(request, "Message", resources.message(message))

    def _shown(self, account: Account, page: pages.Page) -> tuple[Sequence[Message], bool]:
        """The messages of one page, newest first, and whether older ones come behind them."""
        filters = page.filters
        to, size = filters.get("To"), page.size
        if page.before is not None:
            younger = self._visible(account, filters, self.store.oldest_first(to, page.before))
            return list(islice(younger, size))[::-1], True
        older = self._visible(account, filters, self.store.newest_first(to, page.behind))
        shown = list(islice(older, size + 1))
        return shown[:size], len(shown) > size

    def _visible(
        self, account: Account, filters: dict[str, str], messages: Iterator[Message]
    ) -> Iterator[Message]:
        sender, sent = filters.get("From"), pages.days(filters, "DateSent")
        visible = clock.unix() - self.dials.now.list_lag_seconds
        return (
            message
            for message in messages
            if message.account == account.sid
            and message.listed
            and not message.deleted
            and message.created <= visible
            and (sender is None or message.sender == sender)
            and (sent is None or (message.sent is not None and sent[0] <= message.sent < sent[1]))
        )
