"""Twilio: its simulator, and which of the scripted numbers has which fate."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from deploy.simulators.twilio.server import Carrier
from shared.providers.base import OutboundText
from shared.providers.twilio.accounts import TwilioCredentials
from tests.conformance.guest import Arrival, Fate

QUICK: Final = {"latency_ms": 0, "jitter_ms": 0, "sent_ms": (5, 5), "delivered_ms": (10, 10)}
DIGITS: Final = {
    Fate.DELIVERED: "0000", Fate.UNDELIVERED: "9001", Fate.BUSY: "9023", Fate.FULL: "9040",
    Fate.HELD: "9041", Fate.REFUSED: "9005", Fate.LOST_ERROR: "9017", Fate.LOST_RESET: "9018",
    Fate.LOST_HANG: "9020", Fate.LOST_TRUNCATED: "9022", Fate.DROPPED_ERROR: "9016",
    Fate.DROPPED_RESET: "9019", Fate.DROPPED_HANG: "9021", Fate.FORGED: "9031",
    Fate.OTHER_ACCOUNT: "9032",
}  # fmt: skip


class Twilio:
    """The simulator's one account."""

    provider = "twilio"
    unknown_id = "SM" + "0" * 32
    strange_tokens = ("f" * 32,)

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._lines = count(1)
        self.account = carrier.account_sid
        self.signing_tokens = (carrier.auth_token,)
        self.credentials = TwilioCredentials(self.account, self.signing_tokens, api_url=carrier.url)

    def text(self, fate: Fate, *, body: str = "Hi Ana", callback: str) -> OutboundText:
        number = f"+1555{next(self._lines):03}{DIGITS[fate]}"
        return OutboundText(number, body, "+15005550006", None, callback)

    def arrivals(self) -> list[Arrival]:
        return [
            Arrival(entry["to"], entry["body"], entry["accepted"]) for entry in self._carrier.log()
        ]

    def refuse_look_ups(self) -> None:
        self._carrier.control(list_down=True)

    def stop(self) -> None:
        self._carrier.stop()


@contextmanager
def start() -> Iterator[Twilio]:
    with Carrier(script=QUICK) as carrier:
        yield Twilio(carrier)
