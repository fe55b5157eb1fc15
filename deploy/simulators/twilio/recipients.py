"""The simulated recipients: they answer, and Twilio remembers who texted STOP to whom."""

from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio import callback_fields, segments
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.callbacks import Callbacks
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.store import Message, Store
from shared import clock

# Twilio's default keywords for long codes; the whole body, in any case.
OPT_OUT = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
OPT_IN = frozenset({"START", "UNSTOP", "YES"})

REPLY_SECONDS = 0.2


class Recipients:
    """Texts coming in from persons."""

    def __init__(
        self, store: Store, callbacks: Callbacks, timeline: Timeline, dials: Dials
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._timeline = timeline
        self._dials = dials
        self._opted_out: set[tuple[str, str]] = set()

    def opted_out(self, sender: str | None, person: str) -> bool:
        """Whether Twilio itself refuses this sender's texts to the person, with 21610."""
        return (sender, person) in self._opted_out

    def answer(self, message: Message, account: Account, body: str) -> None:
        """The recipient of the message answers it, a moment later."""
        self._timeline.after(REPLY_SECONDS, self._reply, (message, account, body))

    def text(
        self, account: Account, *, person: str, to: str, body: str, service: str | None = None
    ) -> str:
        """The person texts one of the account's numbers; goes to the inbound URL, if one is set.

        Returns the SID of the inbound message.
        """
        word = body.strip().upper()
        if word in OPT_OUT:
            self._opted_out.add((to, person))
        elif word in OPT_IN:
            self._opted_out.discard((to, person))
        message = Message(account.sid, to, person, body=body, at=clock.unix())
        message.direction, message.status, message.service = "inbound", "received", service
        message.segments, message.sent = segments.count(body), message.created
        self._store.add(message)
        url = account.inbound_url or self._dials.now.inbound_url
        if url is not None:
            self._callbacks.post((callback_fields.inbound(message, url),), account)
        return message.sid

    def clear(self) -> None:
        self._opted_out.clear()

    def _reply(self, answer: tuple[Message, Account, str]) -> None:
        message, account, body = answer
        to = message.sender or ""
        self.text(account, person=message.to, to=to, body=body, service=message.service)
