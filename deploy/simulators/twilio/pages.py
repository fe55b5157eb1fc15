"""The pages of a list: what was asked for, and the document with the URIs of its neighbours.

Only the token says where a page is: `PA` and a SID for what comes behind it, `PB` for what comes
before it. `Page` is the client's own count.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from deploy.simulators.kit.http_server import Request
from deploy.simulators.twilio.answers import refuse
from deploy.simulators.twilio.validation import Form

PAGE_SIZE = 50
PAGE_LIMIT = 1000


class Page(NamedTuple):
    """One page that was asked for; `filters` are those given, in Twilio's order."""

    path: str
    filters: dict[str, str]
    size: int
    number: int
    token: str | None

    @property
    def behind(self) -> str | None:
        """The SID of what the page comes behind."""
        return self.token[2:] if self.token and self.token.startswith("PA") else None

    @property
    def before(self) -> str | None:
        """The SID of what the page comes before."""
        return self.token[2:] if self.token and self.token.startswith("PB") else None

    def document(self, name: str, rows: Sequence[dict[str, Any]], *, more: bool) -> dict[str, Any]:
        """The answer: rows under `name`, and where the neighbours are; `more` come behind them."""
        first, last = (rows[0]["sid"], rows[-1]["sid"]) if rows else ("", "")
        start = self.number * self.size
        return {
            name: list(rows),
            "page": self.number,
            "page_size": self.size,
            "start": start,
            "end": start + max(len(rows) - 1, 0),
            "first_page_uri": self._uri(0),
            "previous_page_uri": self._uri(self.number - 1, "PB" + first)
            if self.number and rows
            else None,
            "next_page_uri": self._uri(self.number + 1, "PA" + last) if more else None,
            "uri": self._uri(self.number, self.token),
        }

    def _uri(self, number: int, token: str | None = None) -> str:
        asked = {**self.filters, "PageSize": self.size, "Page": number}
        return f"{self.path}?{urlencode(asked | ({'PageToken': token} if token else {}))}"


def asked(request: Request, names: Sequence[str]) -> Page | None:
    """The page a request asks for; `names` are its filters. None: it was refused just now."""
    query = Form(request.query.encode())
    size, number = query.get("PageSize") or str(PAGE_SIZE), query.get("Page") or "0"
    token = query.get("PageToken")
    if size.isdecimal() and int(size) > PAGE_LIMIT:
        refuse(request, 20007)
    elif (
        not (size.isdecimal() and int(size) and number.isdecimal())
        or (token is not None and token[:2] not in ("PA", "PB"))
    ):  # fmt: skip
        refuse(request, 30400)
    else:
        filters = {name: value for name in names if (value := query.get(name)) is not None}
        return Page(request.path, filters, int(size), int(number), token)
    return None


def days(filters: dict[str, str], name: str) -> tuple[float, float] | None:
    """The span in Unix seconds that DateSent, DateSent< and DateSent> ask for, days inclusive.

    None when there is no such filter.
    """
    day, last, first = (_day(filters.get(name + sign)) for sign in ("", "<", ">"))
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
