"""Message logs: who texted a stop word is read off the texts that came in.

Twilio's console exports From, To, Body, Status, SentDate, ApiVersion, NumSegments, ErrorCode,
AccountSid, Sid, Direction, Price, PriceUnit. Vonage, Telnyx, Plivo and Bandwidth name their columns
otherwise, and often leave the texts out: from such a log nobody can tell who opted out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.people.opt_outs.column_names import joined
from scheduler.people.opt_outs.verdict import Says, Verdict
from shared.domain.keywords import Keyword, classify
from shared.errors import Refused

#: Twilio's code for a text it refused because its recipient had opted out.
REFUSED_AS_OPTED_OUT: Final = "21610"

Cells = Callable[[int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Log:
    """Which column of a message log is what. Without a direction all texts came in, or none.

    `person` is whose text a row is when it came in; `recipient` and `error` tell of a text that
    went out and was refused. Without a `body` every text went out.
    """

    person: int
    body: int | None
    direction: int | None
    recipient: int | None = None
    error: int | None = None

    @property
    def undirected(self) -> bool:
        """True for texts of which only a stop word shows that they came in."""
        return self.direction is None and self.body is not None

    def verdict(self, cells: Sequence[str]) -> Verdict:
        """What a row says: a stop word that came in, a refusal, something else, or unclear."""
        if self.direction is not None:
            word = joined(cells[self.direction])
            if word not in _INBOUND and word not in _OUTBOUND:
                return Verdict(
                    Says.UNCLEAR,
                    "unclear_direction",
                    f"Nobody can tell whether “{cells[self.direction][:40]}” came in or went out.",
                    "Write inbound or outbound there.",
                )
        text = self._came_in(cells)
        return self._went_out(cells) if text is None else self._said(text)

    def keyword(self, cells: Sequence[str]) -> Keyword | None:
        """The keyword that came in with this row."""
        text = self._came_in(cells)
        return None if text is None else classify(text)

    def _came_in(self, cells: Sequence[str]) -> str | None:
        """The text of a row that came in."""
        if self.body is None:
            return None
        if self.direction is not None and joined(cells[self.direction]) not in _INBOUND:
            return None
        return cells[self.body]

    def _said(self, text: str) -> Verdict:
        if classify(text) is Keyword.OPT_OUT:
            return Verdict(Says.OUT, reason=f"texted {text.strip()}", column=self.person)
        if _PERHAPS.search(text):
            return Verdict(
                Says.UNCLEAR,
                "unclear_text",
                f"It may ask to stop, in words of its own: “{' '.join(text.split())[:60]}”.",
                "Read it; if it does: volley suppress add NUMBER.",
                column=self.person,
            )
        return Verdict(Says.STAYS, "no_stop_word", "The text is no stop word.")

    def _went_out(self, cells: Sequence[str]) -> Verdict:
        if self.error is not None and cells[self.error].strip() == REFUSED_AS_OPTED_OUT:
            why = f"Twilio refused a text: {REFUSED_AS_OPTED_OUT}"
            return Verdict(Says.OUT, reason=why, column=self.recipient)
        return Verdict(Says.STAYS, "outbound", "The text went out; it says nothing of the person.")


def find(
    header: Sequence[str], *, phones: Sequence[int], numbers: Sequence[int], at: Cells
) -> Log | None:
    """The log a file is, or None for something else.

    `phones` are the columns that may be the number's by their names, `numbers` those whose first
    cells hold some; `at` tells a column's first cells. Raises Refused unreadable_log for a log that
    does not tell who opted out.
    """
    place = {kind: _first(header, pattern) for kind, pattern in _NAMES.items()}
    sender, recipient, error = place["sender"], place["recipient"], place["error"]
    if recipient is not None and {joined(name) for name in header} >= _OUR_EXPORT:
        return Log(recipient, None, None, recipient, error)
    if sender is not None and recipient is not None and {sender, recipient} & set(numbers):
        return _two_ended(header, place, sender=sender, recipient=recipient)
    return _one_ended(header, place, phone=phones[0], at=at) if len(phones) == 1 else None


def _two_ended(
    header: Sequence[str], place: Mapping[str, int | None], *, sender: int, recipient: int
) -> Log:
    lacks = [what for what in ("direction", "body") if place[what] is None]
    if lacks:
        called = f"with the columns “{header[sender]}” and “{header[recipient]}”"
        raise _unreadable(called, f"no column for a message's {' and '.join(lacks)}")
    error = place["error"] if place["account"] is not None else None
    return Log(sender, place["body"], place["direction"], recipient, error)


def _one_ended(
    header: Sequence[str], place: Mapping[str, int | None], *, phone: int, at: Cells
) -> Log | None:
    """A log with one column of phones: a conversation's, or of what went out."""
    body, direction, status = place["body"], place["direction"], place["status"]
    if direction is not None and body is None:
        raise _unreadable(f"with the column “{header[direction]}”", "no column for the texts")
    if status is not None and _tells_of_messages(at(status)) and direction is None:
        if place["error"] is None:
            called = f"for “{header[status]}” says what became of messages"
            raise _unreadable(called, "no column for the texts")
        return Log(phone, None, None, phone, place["error"])
    return Log(phone, body, direction) if body is not None else None


def _tells_of_messages(statuses: Sequence[str]) -> bool:
    return bool(statuses) and all(joined(status) in _MESSAGE_STATUSES for status in statuses)


def is_party(name: str) -> bool:
    """True for the name of a message's sender or recipient, such as From."""
    named = joined(name)
    return any(_NAMES[kind].fullmatch(named) for kind in ("sender", "recipient"))


def nobody_says_stop(header: Sequence[str], log: Log) -> Refused:
    """For a file with texts and no direction, where no text is a stop word: it may be a list."""
    name = header[log.body or 0]
    return Refused(
        "unclear_texts",
        f"Column “{name}” looks like texts, and none of them is a stop word. If every number in "
        "the file is to be suppressed, delete or rename that column.",
        details={"column": name},
    )


def _unreadable(called: str, lacks: str) -> Refused:
    return Refused(
        "unreadable_log",
        f"This looks like a message log, {called}, but it has {lacks}: it does not tell who said "
        "STOP. Export it with direction and text, or give a file with the numbers to suppress "
        "alone.",
    )


def _first(header: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    return next((i for i, name in enumerate(header) if pattern.fullmatch(joined(name))), None)


_NAMES: Final = {
    "sender": re.compile(
        "(?:msg|message|sms)?(?:from|sender|source|originator|origin|cli)"
        "(?:number|phone|phonenumber|tn|addr|address|id)?"
    ),
    "recipient": re.compile(
        "(?:msg|message|sms)?(?:to|recipient|receiver|destination|dest|cld)"
        "(?:number|phone|phonenumber|tn|addr|address)?"
    ),
    "direction": re.compile("(?:msg|message|sms|traffic)?direction|inout|inboundoutbound"),
    "body": re.compile(
        "(?:msg|message|sms|inbound)?(?:body|text|content|contents)|message|msg|sms|reply|response"
    ),
    "account": re.compile("accountsid"),
    "error": re.compile("errorcode"),
    "status": re.compile("(?:sms|msg|message|delivery|dlr)?(?:status|state)"),
}
#: Columns of `volley campaign export`.
_OUR_EXPORT: Final = frozenset({"id", "to", "attempts", "errorcode", "sids", "agentid"})
_MESSAGE_STATUSES: Final = frozenset(
    {"queued", "sending", "sent", "failed", "delivered", "undelivered", "receiving", "received"}
    | {"accepted", "scheduled", "read", "partiallydelivered", "canceled", "cancelled", "expired"}
    | {"rejected", "unknown", "submitted", "buffered", "enroute", "undeliverable", "deliveryfailed"}
)
_INBOUND: Final = frozenset(
    {"inbound", "in", "incoming", "received", "receive", "mo", "mobileoriginated", "reply"}
    | {"fromcontact", "fromcustomer", "eingehend", "entrant", "entrante"}
)
_OUTBOUND: Final = frozenset(
    {"outbound", "out", "outgoing", "sent", "send", "mt", "mobileterminated", "outboundapi"}
    | {"outboundreply", "outboundcall", "tocontact", "tocustomer", "ausgehend", "sortant"}
    | {"saliente"}
)
# Not keywords, but a person who writes so may well have opted out: somebody must read it.
_PERHAPS: Final = re.compile(
    r"\b(?:stopp?|stop ?all|unsubscribe|opt(?:ed)?[ -]?out|remove (?:me|my)|take me off|arr[eê]t"
    r"|baja|(?:do not|don['’]?t|no more) (?:text|contact|message|msg)\w*|wrong number"
    r"|leave me alone)\b",
    re.IGNORECASE,
)
