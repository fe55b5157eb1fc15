"""Message logs: who texted a stop word is read off the texts that came in.

Twilio's console exports From, To, Body, Status, SentDate, ApiVersion, NumSegments, ErrorCode,
AccountSid, Sid, Direction, Price, PriceUnit. Vonage, Telnyx, Plivo and Bandwidth name their columns
otherwise, and often leave the texts out: from such a log nobody can tell who opted out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.optouts.names import joined
from scheduler.optouts.verdict import Says, Verdict
from shared.domain.keywords import Keyword, classify
from shared.errors import Refused

#: Twilio's code for a text it refused because its recipient had opted out.
REFUSED_AS_OPTED_OUT: Final = "21610"


@dataclass(frozen=True, slots=True)
class Log:
    """Which column of a message log is what. Without a direction every text came in.

    `person` is whose text a row is when it came in; `recipient` and `error` are Twilio's columns.
    """

    person: int
    body: int
    direction: int | None
    recipient: int | None = None
    error: int | None = None

    def verdict(self, cells: Sequence[str]) -> Verdict:
        """What a row says: a stop word that came in, a refusal, something else, or unclear."""
        inbound = True
        if self.direction is not None:
            word = joined(cells[self.direction])
            if word not in _INBOUND and word not in _OUTBOUND:
                return Verdict(
                    Says.UNCLEAR,
                    "unclear_direction",
                    f"Nobody can tell whether “{cells[self.direction][:40]}” came in or went out.",
                    "Write inbound or outbound there.",
                )
            inbound = word in _INBOUND
        return self._came_in(cells[self.body]) if inbound else self._went_out(cells)

    def keyword(self, cells: Sequence[str]) -> Keyword | None:
        """The keyword that came in with this row."""
        if self.direction is not None and joined(cells[self.direction]) not in _INBOUND:
            return None
        return classify(cells[self.body])

    def _came_in(self, text: str) -> Verdict:
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


def find(header: Sequence[str], *, numbers: Sequence[int], phones: Sequence[int]) -> Log | None:
    """The log a file is, or None for something else.

    `numbers` are the columns whose first cells hold phone numbers, `phones` those named like one.
    Raises Refused unreadable_log for a log that does not tell who opted out.
    """
    place = {kind: _first(header, pattern) for kind, pattern in _NAMES.items()}
    sender, recipient = place["sender"], place["recipient"]
    body, direction = place["body"], place["direction"]
    two_ended = sender is not None and recipient is not None and {sender, recipient} & set(numbers)
    if two_ended and sender is not None:
        if body is None or direction is None:
            lacks = [name for name, at in (("text", body), ("direction", direction)) if at is None]
            raise _unreadable(
                f"with the columns “{header[sender]}” and “{header[recipient or 0]}”",
                f"no column for the {' and the '.join(lacks)} of a message",
            )
        twilio = place["account"] is not None and place["error"] is not None
        error = place["error"] if twilio else None
        return Log(sender, body, direction, recipient, error)
    if len(phones) != 1 or (body is None and direction is None):
        return None
    if body is None:
        raise _unreadable(
            f"with the column “{header[direction or 0]}”", "no column for the text of a message"
        )
    return Log(phones[0], body, direction)


def is_party(name: str) -> bool:
    """True for the name of a message's sender or recipient, such as From."""
    named = joined(name)
    return any(_NAMES[kind].fullmatch(named) for kind in ("sender", "recipient"))


def nobody_says_stop(header: Sequence[str], log: Log) -> Refused:
    """For a file with texts and no direction, where no text is a stop word: it may be a list."""
    return Refused(
        "unclear_texts",
        f"Column “{header[log.body]}” looks like texts, and none of them is a stop word. If "
        "every number in the file is to be suppressed, delete or rename that column.",
        details={"column": header[log.body]},
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
}
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
