"""Twilio's error codes, as rows of data: see shared.providers.codes.

The numbers are from Twilio's error dictionary; the sentences are ours. A code that is not here is
stored and shown as it came.
"""

from collections.abc import Mapping
from typing import Final

from shared.providers.codes import Code, Disposition, Mark, Scope, Until, table


def look_up(number: int) -> Code:
    """The row of a code. An unknown code is rejected, not retryable, and shown as it came."""
    return CODES.get(number) or Code(
        number,
        Disposition.REJECTED,
        f"Twilio refused it with code {number}.",
        f"See https://www.twilio.com/docs/api/errors/{number}.",
        known=False,
    )


def _rejected(
    number: int, sentence: str, fix: str, *, retryable: bool = False, mark: Mark | None = None
) -> Code:
    scope = Scope.MESSAGE if mark is None else Scope.NUMBER
    return Code(
        number,
        Disposition.REJECTED,
        sentence,
        fix,
        scope=scope,
        retryable=retryable,
        mark=mark,
    )


def _held(number: int, scope: Scope, sentence: str, fix: str) -> Code:
    return Code(number, Disposition.LATER, sentence, fix, scope=scope, retryable=True)


def _waits(
    number: int, scope: Scope, wait: float | Until, sentence: str, fix: str = "Nothing to do."
) -> Code:
    return Code(number, Disposition.LATER, sentence, fix, scope=scope, wait=wait, retryable=True)


def _uncertain(number: int, sentence: str) -> Code:
    fix = "A failed receipt can still have been delivered; retry later if the text is worth it."
    return Code(number, Disposition.UNKNOWN, sentence, fix, retryable=True)


_NUMBER_FIX: Final = "Correct or remove the number in your list."
_SERVICE_FIX: Final = "Open the messaging service in the Twilio console and fix it."
_CHANNEL_FIX: Final = "Open the channel's sender in the Twilio console and fix it."
_FILTER_FIX: Final = "Do not retry. Look at the wording, the links and the sender's registration."

_RECIPIENT: Final = (
    _rejected(21211, "The number is not a valid phone number.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(21214, "The number cannot be reached.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(21217, "The number does not look valid.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(21614, "The number is not a mobile number.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(30005, "The handset is unknown or gone.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(30006, "A landline, or a carrier without texts.", _NUMBER_FIX, mark=Mark.INVALID),
    _rejected(
        21612,
        "This sender cannot reach this number.",
        "Use a sender of the recipient's country.",
    ),
    _rejected(30011, "The recipient's carrier takes no pictures.", "Send the text without media."),
    _rejected(
        21610,
        "The recipient has opted out (STOP).",
        "Nothing: only the recipient can undo it, by texting START.",
        mark=Mark.OPTED_OUT,
    ),
)

_CONTENT: Final = (
    _rejected(21602, "The text is empty.", "Give the message a body."),
    _rejected(21603, "No sender was given.", "Give the agent a sender or a messaging service."),
    _rejected(21604, "No number was given.", "Give every row a phone number."),
    _rejected(21605, "The text is too long.", "Shorten the text."),
    _rejected(21609, "The status callback address is invalid.", "Correct VOLLEY_PUBLIC_URL."),
    _rejected(21617, "The text is longer than 1,600 characters.", "Lower split_at to 1600."),
    _rejected(21618, "Twilio cannot send this text.", "Look for odd characters in the text."),
    _rejected(21620, "A media address is invalid.", "Correct media_urls."),
    _rejected(21623, "Too many media files.", "Give at most 10 media_urls."),
    _rejected(21624, "The validity period is invalid.", "Use 1 to 36000 seconds."),
    _rejected(21654, "A content template is required.", "Give the template's content_sid."),
    _rejected(21655, "The content template is invalid.", "Correct content_sid."),
    _rejected(21656, "The template's variables are invalid.", "Correct content_variables."),
    _rejected(30019, "The media is too large for the carrier.", "Use a file under 600 kB."),
)

_ACCOUNT: Final = (
    _held(20003, Scope.ACCOUNT, "Twilio refused the credentials.", "Correct SID and token."),
    _held(20005, Scope.ACCOUNT, "The Twilio account is not active.", "Reactivate it at Twilio."),
    _held(20404, Scope.ACCOUNT, "Twilio does not know the account.", "Correct the account SID."),
    _held(30002, Scope.ACCOUNT, "The Twilio account is suspended.", "Talk to Twilio's support."),
    _held(
        21408,
        Scope.COUNTRY,
        "The account may not text this country.",
        "Allow it under Messaging, Geo permissions.",
    ),
    _rejected(
        21608,
        "A trial account may only text verified numbers.",
        "Upgrade the Twilio account, or verify the number.",
        retryable=True,
    ),
)

_SENDER: Final = (
    _held(21606, Scope.SENDER, "The sender cannot text there.", "Use a number that can text."),
    _held(21607, Scope.SENDER, "A trial account must use its own number.", "Use that number."),
    _held(21659, Scope.SENDER, "The sender is not a Twilio number.", "Use a number of yours."),
    _held(21660, Scope.SENDER, "The sender is another account's.", "Use a number of this account."),
    _held(21703, Scope.AGENT, "The service has no sender free for this.", _SERVICE_FIX),
    _held(21704, Scope.AGENT, "The messaging service has no senders.", _SERVICE_FIX),
    _held(21705, Scope.AGENT, "The messaging service is invalid.", _SERVICE_FIX),
    _held(21712, Scope.SENDER, "The sender belongs to another service.", _SERVICE_FIX),
    _held(30018, Scope.SENDER, "The sender must be registered there.", "Register it at Twilio."),
    _held(30024, Scope.SENDER, "The sender is not provisioned there.", "Provision it at Twilio."),
    _held(30032, Scope.SENDER, "The toll-free number is unverified.", "Verify it at Twilio."),
    _held(30034, Scope.SENDER, "The number is not registered (A2P 10DLC).", "Register it."),
)

_THROTTLE: Final = (
    _waits(20429, Scope.ACCOUNT, 1.0, "Too many calls at once on this account."),
    _waits(14107, Scope.SENDER, 1.0, "This sender is sending too fast."),
    _waits(21611, Scope.SENDER, 60.0, "Twilio's queue for this sender is full (10 hours)."),
    _waits(30001, Scope.SENDER, 60.0, "Twilio's queue for this sender overflowed."),
    _waits(30017, Scope.SENDER, 60.0, "The carrier's network is congested."),
    _waits(30022, Scope.SENDER, 5.0, "The sender's registered (10DLC) rate was exceeded."),
    _waits(63018, Scope.SENDER, 5.0, "The channel's rate was exceeded."),
    _waits(30023, Scope.SENDER, Until.DAY_ENDS, "The sender's daily cap is reached."),
    _waits(30027, Scope.SENDER, Until.DAY_ENDS, "T-Mobile's daily cap is reached."),
    _waits(63038, Scope.ACCOUNT, Until.DAY_ENDS, "The account's daily cap is reached."),
)

_DELIVERY: Final = (
    _uncertain(30003, "The handset is off or out of reach."),
    _uncertain(30008, "The carrier gave no reason."),
    _uncertain(30020, "Twilio failed inside while scheduling it."),
    _uncertain(30021, "Twilio's messaging service failed inside."),
    _uncertain(30410, "The carrier did not answer Twilio in time."),
    _uncertain(30500, "Twilio failed inside."),
    _uncertain(63009, "The channel's provider failed."),
    _uncertain(63010, "Twilio failed inside while sending to the channel."),
    _uncertain(63012, "The channel's provider failed inside."),
)

_FILTERED: Final = (
    _rejected(30004, "The message was blocked.", _FILTER_FIX),
    _rejected(30007, "The carrier filtered the message as unwanted.", _FILTER_FIX),
    _rejected(30610, "Twilio blocked it: the recipient's quiet hours.", "Set a legal window."),
)

_CHANNELS: Final = (
    _held(63001, Scope.SENDER, "The channel refused the credentials.", _CHANNEL_FIX),
    _held(63002, Scope.SENDER, "The channel does not know the sender.", _CHANNEL_FIX),
    _held(63007, Scope.SENDER, "Twilio has no channel with this sender.", _CHANNEL_FIX),
    _held(63008, Scope.SENDER, "The channel is misconfigured.", _CHANNEL_FIX),
    _rejected(63003, "The channel does not know the recipient.", _NUMBER_FIX),
    _rejected(63015, "The recipient has not joined the sandbox.", "Let the recipient join it."),
    _rejected(63016, "Outside the channel's 24 hours for free text.", "Use an approved template."),
    _rejected(63024, "The channel calls the recipient invalid.", _NUMBER_FIX),
    _rejected(63032, "WhatsApp does not let this user be texted.", "Nothing to do."),
    _rejected(63033, "The recipient is blocked on the channel.", "Nothing to do."),
)

CODES: Final[Mapping[int, Code]] = table(
    _RECIPIENT, _CONTENT, _ACCOUNT, _SENDER, _THROTTLE, _DELIVERY, _FILTERED, _CHANNELS
)
