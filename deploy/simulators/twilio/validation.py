"""What Twilio refuses at once: its error codes with their HTTP status, and the checks of a create.

Codes and their meaning: twilio.com/docs/api/errors/<code>. Parameters and their limits: Twilio's
OpenAPI description of POST Messages.json.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from deploy.simulators.twilio import schema
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.segments import units_of

BODY_UNITS = 1600
MEDIA_FILES = 10
VALIDITY_SECONDS = range(1, 36_001)
SCHEDULE_SECONDS = (900, 35 * 86_400)  # at least 15 minutes and at most 35 days ahead

REFUSALS: Final[dict[int, tuple[int, str]]] = {
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20005: (403, "Account is not active"),
    20007: (400, "Page size too large"),
    20009: (409, "Cannot delete this message because delivery is not completed"),
    20404: (404, "The requested resource {} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service is unavailable"),
    21211: (400, "Invalid 'To' Phone Number"),
    21212: (400, "Invalid From Number (caller ID)"),
    21266: (400, "'To' and 'From' number cannot be the same"),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by 'To'"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' number is not a valid message-capable number for this destination"),
    21608: (400, "The number is unverified. Trial accounts cannot send to unverified numbers"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The 'To' number is not currently reachable from this 'From' number"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL(s)"),
    21623: (400, "Number of media files exceeds allowed limit"),
    21624: (400, "Invalid validity period value"),
    21627: (400, "Max Price must be a valid float"),
    21655: (400, "The ContentSid is Invalid"),
    21656: (400, "The ContentVariables Parameter is invalid"),
    21659: (400, "'From' is not a Twilio phone number or Short Code country mismatch"),
    21660: (400, "Mismatch between the 'From' number and the account"),
    21701: (400, "The Messaging Service does not exist"),
    21703: (400, "The Messaging Service does not contain any phone numbers"),
    21705: (400, "The Messaging Service is invalid"),
    30400: (400, "Parameters are not valid"),
    30409: (409, "This message cannot be canceled"),
    35111: (400, "SendAt timestamp is missing"),
    35115: (400, "Scheduling does not support this timestamp"),
    63038: (429, "Account exceeded the daily messages limit"),
}

RECIPIENT = re.compile(r"(?:whatsapp:|rcs:)?\+[1-9]\d{6,14}")
# A number, a short code, or an alphanumeric sender ID of 11 characters with at least one letter.
SENDER = re.compile(
    r"(?:whatsapp:|rcs:)?\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 _&+-]{1,11}"
)
SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
WEB = re.compile(
    r"https?://(?:[^/?#@\s]*@)?(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?(?:[/?#]\S*)?"
)


class Form:
    """A form-urlencoded body. The last value of a repeated name counts; `all` gives every one."""

    __slots__ = ("_last", "_pairs")

    def __init__(self, body: bytes) -> None:
        self._pairs = [_pair(piece) for piece in body.split(b"&") if piece]
        self._last = dict(self._pairs)

    def __contains__(self, name: str) -> bool:
        return name in self._last

    def get(self, name: str) -> str | None:
        """The value, or None if it is absent or empty: Twilio treats both alike."""
        return self._last.get(name) or None

    def says_yes(self, name: str) -> bool:
        return self._last.get(name, "").lower() == "true"

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name and value]

    def pairs(self) -> list[tuple[str, str]]:
        return self._pairs


@dataclass(slots=True)
class Draft:
    """What a create asks for. `odd` is the code of a value that no such parameter may have."""

    to: str
    sender: str | None
    service: str | None
    body: str
    callback: str | None
    media: list[str]
    content: str | None
    validity: str | None
    schedule: str | None
    send_at: str | None
    smart: bool
    as_mms: bool
    feedback: bool
    odd: int | None

    @classmethod
    def of(cls, form: Form) -> "Draft":
        get = form.get
        sender, service = get("From"), get("MessagingServiceSid")
        if service is None and sender is not None and SERVICE.fullmatch(sender):
            sender, service = None, sender  # Twilio takes a service's SID as From, too
        return cls(
            to=(get("To") or "").strip(),
            sender=sender,
            service=service,
            body=get("Body") or "",
            callback=get("StatusCallback"),
            media=form.all("MediaUrl"),
            content=get("ContentSid"),
            validity=get("ValidityPeriod"),
            schedule=get("ScheduleType"),
            send_at=get("SendAt"),
            smart=form.says_yes("SmartEncoded"),
            as_mms=form.says_yes("SendAsMms"),
            feedback=form.says_yes("ProvideFeedback"),
            odd=schema.objection(form.pairs()),
        )


class Setting(NamedTuple):
    """What a draft is checked against; `now` in Unix seconds."""

    account: Account
    services: dict[str, tuple[str, ...]]
    now: float


Check = Callable[[Draft, Setting], int | None]


def complaint(draft: Draft, setting: Setting) -> int | None:
    """The code of the first thing Twilio would refuse, or None."""
    for check in CHECKS:
        code = check(draft, setting)
        if code is not None:
            return code
    return None


def seconds_ahead(draft: Draft, now: float) -> float | None:
    """How far ahead a message is scheduled; without a service Twilio drops the scheduling."""
    if draft.schedule != "fixed" or draft.service is None or draft.send_at is None:
        return None
    try:
        return datetime.fromisoformat(draft.send_at.replace("Z", "+00:00")).timestamp() - now
    except ValueError:
        return 0.0


def _recipient(draft: Draft, _: Setting) -> int | None:
    if not draft.to:
        return 21604
    return None if RECIPIENT.fullmatch(draft.to) else 21211


def _sender(draft: Draft, setting: Setting) -> int | None:
    if draft.sender is None:
        return 21603 if draft.service is None else None
    if not SENDER.fullmatch(draft.sender):
        return 21212
    if draft.sender == draft.to:
        return 21266
    known = setting.account.senders
    return 21606 if known is not None and draft.sender not in known else None


def _service(draft: Draft, setting: Setting) -> int | None:
    if draft.service is None:
        return None
    if not SERVICE.fullmatch(draft.service):
        return 21705
    if not setting.services:
        return None
    pool = setting.services.get(draft.service)
    if pool is None:
        return 21701
    return None if pool else 21703


def _content(draft: Draft, _: Setting) -> int | None:
    if not (draft.body or draft.media or draft.content):
        return 21602
    if len(draft.media) > MEDIA_FILES:
        return 21623
    if not all(WEB.fullmatch(url) for url in draft.media):
        return 21620
    return 21617 if units_of(draft.body) > BODY_UNITS else None


def _values(draft: Draft, _: Setting) -> int | None:
    return draft.odd


def _callback(draft: Draft, _: Setting) -> int | None:
    url = draft.callback
    # Twilio accepts no underscore in the host's name; the pattern has none.
    return None if url is None or (url.isascii() and WEB.fullmatch(url)) else 21609


def _times(draft: Draft, setting: Setting) -> int | None:
    if draft.validity is not None and not (
        draft.validity.isdecimal() and int(draft.validity) in VALIDITY_SECONDS
    ):
        return 21624
    if draft.schedule == "fixed" and draft.service is not None and draft.send_at is None:
        return 35111
    ahead = seconds_ahead(draft, setting.now)
    return None if ahead is None or SCHEDULE_SECONDS[0] <= ahead <= SCHEDULE_SECONDS[1] else 35115


CHECKS: Final[tuple[Check, ...]] = (
    _recipient, _sender, _service, _content, _callback, _times, _values,
)  # fmt: skip


def _pair(piece: bytes) -> tuple[str, str]:
    name, _, value = piece.partition(b"=")
    return _plain(name), _plain(value)


def _plain(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    return text.decode("utf-8", "replace")
