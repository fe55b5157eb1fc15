"""What a callback says: the fields of a status callback and of an inbound message."""

import time
from functools import lru_cache
from typing import NamedTuple

from deploy.simulators.twilio import resources
from deploy.simulators.twilio.callbacks import Authenticity, Callback
from deploy.simulators.twilio.store import Message
from shared import clock

FINAL = ("delivered", "undelivered", "failed")
OTHER_ACCOUNT = "AC" + "f" * 32


class StatusReport(NamedTuple):
    """One status callback to post: what it says, and whether it is genuine."""

    status: str
    code: int | None
    authenticity: Authenticity = Authenticity.GENUINE


def status_callback(message: Message, report: StatusReport, url: str) -> Callback:
    """The callback for one status. Its token is the same whenever the same report is posted."""
    account = (
        OTHER_ACCOUNT if report.authenticity is Authenticity.WRONG_ACCOUNT else message.account
    )
    fields = [
        ("ApiVersion", resources.VERSION),
        ("SmsSid", message.sid),
        ("SmsStatus", report.status),
        ("To", message.to),
        ("From", message.sender or ""),
        ("MessageSid", message.sid),
        ("AccountSid", account),
        ("MessageStatus", report.status),
    ]
    if message.service is not None:
        fields.append(("MessagingServiceSid", message.service))
    if report.code is not None:
        fields.append(("ErrorCode", str(report.code)))
        fields.append(("ErrorMessage", resources.DELIVERY.get(report.code, "Unknown error")))
    if report.status in FINAL:
        fields.append(("RawDlrDoneDate", _minute(int(clock.unix()) // 60)))
    token = f"{message.sid[2:10]}-{message.sid[10:22]}-{report.status}"
    return Callback(url, message.sid, report.status, fields, token, report.authenticity)


def inbound(message: Message, url: str) -> Callback:
    """The callback for a text that a person sent to one of the account's numbers."""
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
    return Callback(url, message.sid, "received", fields, message.sid[2:])


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    """YYMMDDhhmm in UTC, as carriers write when a receipt was made."""
    return time.strftime("%y%m%d%H%M", time.gmtime(minutes * 60))
