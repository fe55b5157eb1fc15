"""What Twilio's published description says about its documents, as a table to hold answers against.

Source: github.com/twilio/twilio-oai, spec/json/twilio_api_v2010.json, commit d50069b (2026-04-14):
the schemas api.v2010.account, .message, .message.media and .message.message_feedback, and the
responses of ListMessage and ListMedia. A field is there in every answer; one marked nullable may be
null. Errors: twilio.com/docs/usage/twilios-response.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

MESSAGE = "(SM|MM)[0-9a-fA-F]{32}"
ACCOUNT = "AC[0-9a-fA-F]{32}"


@dataclass(frozen=True)
class Field:
    """One field: its JSON type, and what its text must be."""

    kind: type
    nullable: bool = True
    pattern: str | None = None
    words: frozenset[str] | None = None
    dated: bool = False

    def objects(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if value is None:
            return None if self.nullable else "null"
        if type(value) is not self.kind:
            return f"a {type(value).__name__}, not a {self.kind.__name__}"
        if self.pattern is not None and not re.fullmatch(self.pattern, str(value)):
            return f"{value!r} is not like {self.pattern}"
        if self.words is not None and value not in self.words:
            return f"{value!r} is none of {sorted(self.words)}"
        if self.dated and not RFC_2822.fullmatch(str(value)):
            return f"{value!r} is no date of RFC 2822"
        if self.dated:
            parsedate_to_datetime(str(value))
        return None


RFC_2822 = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000")

TEXT = Field(str)
DATE = Field(str, dated=True)
WHOLE = Field(int, nullable=False)
URI = Field(str, nullable=False, pattern=r"/2010-04-01/Accounts/AC\w{32}/Messages\S*\.json\?\S+")
NEIGHBOUR = Field(str, pattern=URI.pattern)

MESSAGE_FIELDS = {
    "account_sid": Field(str, pattern=ACCOUNT),
    "api_version": Field(str, pattern="2010-04-01"),
    "body": TEXT,
    "date_created": DATE,
    "date_sent": DATE,
    "date_updated": DATE,
    "direction": Field(
        str,
        nullable=False,
        words=frozenset({"inbound", "outbound-api", "outbound-call", "outbound-reply"}),
    ),
    "error_code": Field(int),
    "error_message": TEXT,
    "from": TEXT,
    "messaging_service_sid": Field(str, pattern="MG[0-9a-fA-F]{32}"),
    "num_media": Field(str, pattern=r"\d+"),
    "num_segments": Field(str, pattern=r"\d+"),
    "price": Field(str, pattern=r"-\d+\.\d{5}"),
    "price_unit": Field(str, pattern="[A-Z]{3}"),
    "sid": Field(str, pattern=MESSAGE),
    "status": Field(
        str,
        nullable=False,
        words=frozenset(
            {"queued", "sending", "sent", "failed", "delivered", "undelivered", "receiving"}
            | {"received", "accepted", "scheduled", "read", "partially_delivered", "canceled"}
        ),
    ),
    "subresource_uris": Field(dict),
    "to": TEXT,
    "uri": TEXT,
}
MEDIA_FIELDS = {
    "account_sid": Field(str, pattern=ACCOUNT),
    "content_type": TEXT,
    "date_created": DATE,
    "date_updated": DATE,
    "parent_sid": Field(str, pattern=MESSAGE),
    "sid": Field(str, pattern="ME[0-9a-fA-F]{32}"),
    "uri": TEXT,
}
FEEDBACK_FIELDS = {
    "account_sid": Field(str, pattern=ACCOUNT),
    "date_created": DATE,
    "date_updated": DATE,
    "message_sid": Field(str, pattern=MESSAGE),
    "outcome": Field(str, nullable=False, words=frozenset({"confirmed", "unconfirmed"})),
    "uri": TEXT,
}
ACCOUNT_FIELDS = {
    "auth_token": TEXT,
    "date_created": DATE,
    "date_updated": DATE,
    "friendly_name": TEXT,
    "owner_account_sid": Field(str, pattern=ACCOUNT),
    "sid": Field(str, pattern=ACCOUNT),
    "status": Field(str, nullable=False, words=frozenset({"active", "suspended", "closed"})),
    "subresource_uris": Field(dict),
    "type": Field(str, nullable=False, words=frozenset({"Trial", "Full"})),
    "uri": TEXT,
}
LIST_FIELDS = {
    "end": WHOLE,
    "first_page_uri": URI,
    "next_page_uri": NEIGHBOUR,
    "page": WHOLE,
    "page_size": WHOLE,
    "previous_page_uri": NEIGHBOUR,
    "start": WHOLE,
    "uri": URI,
}
MESSAGES_FIELDS = LIST_FIELDS | {"messages": Field(list, nullable=False)}
MEDIA_LIST_FIELDS = LIST_FIELDS | {"media_list": Field(list, nullable=False)}
ERROR_FIELDS = {
    "code": WHOLE,
    "message": Field(str, nullable=False),
    "more_info": Field(str, nullable=False, pattern=r"https://www\.twilio\.com/docs/errors/\d{5}"),
    "status": WHOLE,
}


def faults(document: Mapping[str, Any], fields: Mapping[str, Field]) -> list[str]:
    """Where the document is not as published: fields too many, missing, or of another type."""
    found = [f"{name} is missing" for name in fields.keys() - document.keys()]
    found += [f"{name} is not published" for name in document.keys() - fields.keys()]
    for name in fields.keys() & document.keys():
        wrong = fields[name].objects(document[name])
        if wrong is not None:
            found.append(f"{name}: {wrong}")
    return sorted(found)
