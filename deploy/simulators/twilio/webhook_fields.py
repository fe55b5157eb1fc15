"""What a webhook says: the fields of a status callback and of an inbound message."""

import time
from functools import lru_cache
from typing import NamedTuple

from deploy.simulators.twilio import resources
from deploy.simulators.twilio.callbacks import Truth, Webhook
from deploy.simulators.twilio.store import Message
from shared import clock

FINAL = ("delivered", "undelivered", "failed")
OTHER_ACCOUNT = "AC" + "f" * 32


class Note(NamedTuple):
    """One status callback to post: what it says, and whether it is genuine."""

    status: str
    code: int | None
    truth: Truth = Truth.GENUINE


def status_callback(message: Message, note: Note, url: str) -> Webhook:
    """The webhook for one status. Its token is the same whenever the same note is posted."""
    account = OTHER_ACCOUNT if note.truth is Truth.WRONG_ACCOUNT else message.account
    fields = [
        ("ApiVersion", resources.VERSION),
        ("SmsSid", message.sid),
        ("SmsStatus", note.status),
        ("To", message.to),
        ("From", message.sender or ""),
        ("MessageSid", message.sid),
        ("AccountSid", account),
        ("MessageStatus", note.status),
    ]
    if message.service is not None:
        fields.append(("MessagingServiceSid", message.service))
    if note.code is not None:
        fields.append(("ErrorCode", str(note.code)))
        fields.append(("ErrorMessage", resources.DELIVERY.get(note.code, "Unknown error")))
    if note.status in FINAL:
        fields.append(("RawDlrDoneDate", _minute(int(clock.unix()) // 60)))
    token = f"{message.sid[2:10]}-{message.sid[10:22]}-{note.status}"
    return Webhook(url, message.sid, note.status, fields, token, note.truth)


def inbound(message: Message, url: str) -> Webhook:
    """The webhook for a text that a person sent to one of the account's numbers."""
    fields = [
        ("ToCountry", "US"),
        ("FromCountry", "US"),
        ("SmsMessageSid", message.sid),
        ("NumMedia", "0"),
        ("SmsSid", message.sid),
        ("SmsStatus", "received"),
        ("Body", message.body),
        ("To", message.to),
        ("NumSegments", str(message.segments)),
        ("MessageSid", message.sid),
        ("AccountSid", message.account),
        ("From", message.sender or ""),
        ("ApiVersion", resources.VERSION),
    ]
    if message.service is not None:
        fields.append(("MessagingServiceSid", message.service))
    return Webhook(url, message.sid, "received", fields, message.sid[2:])


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    """YYMMDDhhmm in UTC, as carriers write when a receipt was made."""
    return time.strftime("%y%m%d%H%M", time.gmtime(minutes * 60))
