"""Twilio's resources: Message, Media, Feedback, Account, the pages of lists, and errors."""

from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

from deploy.simulators.twilio.store import Feedback, Media, Message
from deploy.simulators.twilio.validation import REFUSALS

VERSION = "2010-04-01"
MILLS = 750  # hundred-thousandths of a dollar for a segment, as in Twilio's examples

# Why a message was not delivered, in Twilio's words.
DELIVERY: Final[dict[int, str]] = {
    21610: "Attempt to send to unsubscribed recipient",
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30022: "US A2P 10DLC - Rate Limits Exceeded",
    30023: "US A2P 10DLC - Daily Message Cap Reached",
    30027: "US A2P 10DLC - T-Mobile Daily Message Limit Reached",
    30032: "Toll-Free Number Has Not Been Verified",
    30034: "US A2P 10DLC - Message from an Unregistered Number",
    30036: "Validity Period Expired",
}


def message(m: Message) -> dict[str, Any]:
    """The Message resource: counts are strings, dates RFC 2822, the price negative once billed."""
    uri = message_uri(m)
    return {
        "account_sid": m.account,
        "api_version": VERSION,
        "body": m.body,
        "date_created": rfc2822(int(m.created)),
        "date_sent": None if m.sent is None else rfc2822(int(m.sent)),
        "date_updated": rfc2822(int(m.updated)),
        "direction": m.direction,
        "error_code": m.error,
        "error_message": None if m.error is None else DELIVERY.get(m.error, "Unknown error"),
        "from": m.sender,
        "messaging_service_sid": m.service,
        "num_media": str(len(m.media)),
        "num_segments": str(m.segments) if m.sender else "0",
        "price": None if m.sent is None else f"-{m.segments * MILLS / 100_000:.5f}",
        "price_unit": "USD",
        "sid": m.sid,
        "status": m.status,
        "subresource_uris": {"media": f"{uri}/Media.json", "feedback": f"{uri}/Feedback.json"},
        "to": m.to,
        "uri": f"{uri}.json",
    }


def created(m: Message) -> dict[str, Any]:
    """The Message as the answer to its create shows it: without a price or a feedback URI yet."""
    media = {"media": f"{message_uri(m)}/Media.json"}
    return message(m) | {"price_unit": None, "subresource_uris": media}


def message_uri(m: Message) -> str:
    """The path of a Message, without its suffix."""
    return f"/{VERSION}/Accounts/{m.account}/Messages/{m.sid}"


def media(m: Message, file: Media) -> dict[str, Any]:
    """The Media resource of one of the message's files."""
    return {
        "account_sid": m.account,
        "content_type": file.content_type,
        "date_created": rfc2822(int(file.created)),
        "date_updated": rfc2822(int(file.created)),
        "parent_sid": m.sid,
        "sid": file.sid,
        "uri": f"{message_uri(m)}/Media/{file.sid}.json",
    }


def feedback(m: Message, told: Feedback) -> dict[str, Any]:
    """The MessageFeedback resource."""
    return {
        "account_sid": m.account,
        "date_created": rfc2822(int(told.created)),
        "date_updated": rfc2822(int(told.updated)),
        "message_sid": m.sid,
        "outcome": told.outcome,
        "uri": f"{message_uri(m)}/Feedback.json",
    }


def account(sid: str) -> dict[str, Any]:
    """The Account resource, which clients fetch to check their credentials."""
    return {
        "sid": sid,
        "friendly_name": "Carrier simulator",
        "status": "active",
        "type": "Full",
        "owner_account_sid": sid,
        "date_created": rfc2822(0),
        "date_updated": rfc2822(0),
        "auth_token": None,
        "subresource_uris": {"messages": f"/{VERSION}/Accounts/{sid}/Messages.json"},
        "uri": f"/{VERSION}/Accounts/{sid}.json",
    }


def error(code: int, detail: str = "") -> dict[str, Any]:
    """Twilio's error document for one of REFUSALS; `detail` is what it complains of."""
    status, words = REFUSALS[code]
    if "{}" in words:
        words = words.format(detail)
    elif detail:
        words = f"{words}: {detail}"
    return {
        "code": code,
        "message": words,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


@lru_cache(maxsize=4096)
def rfc2822(at: int) -> str:
    """A Unix second as Twilio writes it: `Thu, 24 Aug 2023 05:01:45 +0000`."""
    return formatdate(at).replace("-0000", "+0000")
