"""Fetch, list, cancel, redact and delete messages, as Twilio's REST API does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from urllib.parse import urlencode

import orjson

from deploy.local.carrier import resource
from deploy.local.carrier.accounts import Account
from deploy.local.carrier.control import Dials
from deploy.local.carrier.journeys import Journeys
from deploy.local.carrier.store import UNDER_WAY, WAITING, Message, Store
from deploy.local.carrier.validation import REFUSALS, Form
from deploy.local.carrier.wire import Request
from shared import clock

PAGE_SIZE = 50
PAGE_LIMIT = 1000


@dataclass(slots=True)
class Messages:
    """The routes of messages that exist."""

    store: Store
    journeys: Journeys
    dials: Dials

    def list(self, request: Request, account: Account) -> None:
        """Newest first; filters To, From, DateSent, DateSent<, DateSent>; pages by PageToken."""
        query = Form(request.query.encode())
        size = query.get("PageSize") or str(PAGE_SIZE)
        if self.dials.now.list_down:
            refuse(request, 20503)
        elif not size.isdecimal() or not 1 <= int(size) <= PAGE_LIMIT:
            refuse(request, 20007)
        else:
            page = self._page(account, query, int(size))
            request.answer(200, orjson.dumps(page))

    def fetch(self, request: Request, account: Account, sid: str) -> None:
        message = self.store.find(account.sid, sid)
        if message is None:
            refuse(request, 20404)
        else:
            request.answer(200, orjson.dumps(resource.message(message)))

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
        self.journeys.canceled(message, account)
        request.answer(200, orjson.dumps(resource.message(message)))

    def _redact(self, request: Request, message: Message) -> None:
        if message.status in UNDER_WAY:
            refuse(request, 20009)
            return
        message.body = ""
        request.answer(200, orjson.dumps(resource.message(message)))

    def _page(self, account: Account, query: Form, size: int) -> dict[str, object]:
        number = query.get("Page") or "0"
        page = int(number) if number.isdecimal() else 0
        token = query.get("PageToken")
        found = self._found(account, query, token[2:] if token else None)
        if token is None:
            found = islice(found, page * size, None)
        shown = list(islice(found, size + 1))
        more, shown = len(shown) > size, shown[:size]
        path = f"/{resource.VERSION}/Accounts/{account.sid}/Messages.json"
        filters = {
            name: value
            for name in ("To", "From", "DateSent", "DateSent<", "DateSent>")
            if (value := query.get(name)) is not None
        }

        def uri(n: int, **more_of: str) -> str:
            return f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': n, **more_of})}"

        return {
            "messages": [resource.message(message) for message in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1, PageToken="PA" + shown[-1].sid) if more else None,
            "uri": uri(page) if token is None else uri(page, PageToken=token),
        }

    def _found(self, account: Account, query: Form, before: str | None) -> Iterator[Message]:
        sender = query.get("From")
        visible = clock.unix() - self.dials.now.list_lag_seconds
        sent = _dates(query)
        return (
            message
            for message in self.store.newest_first(to=query.get("To"), before=before)
            if message.account == account.sid
            and message.listed
            and not message.deleted
            and message.created <= visible
            and (sender is None or message.sender == sender)
            and (sent is None or (message.sent is not None and sent[0] <= message.sent < sent[1]))
        )


def refuse(request: Request, code: int) -> None:
    """Answer with one of Twilio's errors."""
    request.answer(REFUSALS[code][0], resource.error(code))


def _dates(query: Form) -> tuple[float, float] | None:
    """The span of sending times that DateSent, DateSent< and DateSent> ask for, in Unix seconds."""
    day, last, first = (_day(query.get(n)) for n in ("DateSent", "DateSent<", "DateSent>"))
    if day is not None:
        first = last = day
    if first is None and last is None:
        return None
    begin = 0.0 if first is None else _midnight(first)
    return begin, float("inf") if last is None else _midnight(last + timedelta(days=1))


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text[:10])
    except ValueError:
        return None


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
