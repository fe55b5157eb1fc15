"""What becomes of a message after it was accepted: its statuses, and when each is called back."""

import random
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from deploy.simulators.kit.faults import Posts
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.callback_fields import FINAL, StatusReport, status_callback
from deploy.simulators.twilio.callbacks import Authenticity, Callbacks
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.recipients import Recipients
from deploy.simulators.twilio.scripted_numbers import Behaviour, Step
from deploy.simulators.twilio.store import Message
from shared import clock

REPLAY_AFTER = 1.0  # seconds after the end


class Event(NamedTuple):
    """An instant of a delivery, in seconds after the answer: a step, and reports posted in turn."""

    at: float
    step: Step | None
    reports: tuple[StatusReport, ...]


class Delivery:
    """One message on its way."""

    __slots__ = ("account", "behaviour", "epoch", "events", "message", "next")

    def __init__(
        self, message: Message, account: Account, *, behaviour: Behaviour, events: list[Event],
        epoch: int,
    ) -> None:  # fmt: skip
        self.message = message
        self.account = account
        self.behaviour = behaviour
        self.events = events
        self.epoch = epoch
        self.next = 0


class Deliveries:
    """Moves accepted messages on, posts their callbacks, and lets the recipients answer."""

    def __init__(
        self, timeline: Timeline, callbacks: Callbacks, *, chance: random.Random,
        dials: Dials, recipients: Recipients,
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._callbacks = callbacks
        self._chance = chance
        self._dials = dials
        self._recipients = recipients
        self._epoch = 0
        self.pools: dict[str, tuple[str, ...]] = {}

    def begin(
        self, message: Message, account: Account, *, behaviour: Behaviour, after: float
    ) -> None:
        """Set out in `after` seconds, which is when the create's answer goes out."""
        events = self._events(behaviour)
        delivery = Delivery(message, account, behaviour=behaviour, events=events, epoch=self._epoch)
        if events:
            first = events[0].at if behaviour.posts is Posts.EARLY else after + events[0].at
            self._timeline.after(first, self._go_on, delivery)

    def canceled(self, message: Message, account: Account) -> None:
        """Tell that the message was canceled; its delivery ends by itself."""
        self._post(message, account, (StatusReport("canceled", None),))

    def stop(self) -> None:
        """No delivery begun before now goes on."""
        self._epoch += 1

    def _go_on(self, delivery: Delivery) -> None:
        message = delivery.message
        if delivery.epoch != self._epoch or message.status == "canceled" or message.deleted:
            return
        at, step, reports = delivery.events[delivery.next]
        if step is not None:
            if message.sender is None:
                message.sender = self._sender(message)
            message.becomes(step[0], step[1], clock.unix())
        delay = self._dials.now.callback_delay_ms / 1000 + delivery.behaviour.callback_seconds
        if reports and delay:
            self._timeline.after(
                delay, lambda told: self._post(message, delivery.account, told), reports
            )
        elif reports:
            self._post(message, delivery.account, reports)
        delivery.next += 1
        if delivery.next < len(delivery.events):
            self._timeline.after(delivery.events[delivery.next].at - at, self._go_on, delivery)
        elif delivery.behaviour.reply is not None:
            self._recipients.answer(message, delivery.account, delivery.behaviour.reply)

    def _sender(self, message: Message) -> str:
        """A messaging service chooses its sender when it sends, the same for the same person."""
        pool = self.pools.get(message.service or "") or ("+15005550006",)
        return pool[zlib.crc32(message.to.encode()) % len(pool)]

    def _events(self, behaviour: Behaviour) -> list[Event]:
        if behaviour.posts is Posts.EARLY:
            return [Event(0.0, step, (StatusReport(*step),)) for step in behaviour.steps]
        control = self._dials.now
        events: list[Event] = []
        for step in behaviour.steps:
            low, high = control.delivered_ms if step[0] in FINAL else control.sent_ms
            at = (low + (high - low) * self._chance.random()) / 1000
            events.append(
                Event(max(at, events[-1].at) if events else at, step, (StatusReport(*step),))
            )
        told = TOLD.get(behaviour.posts)
        return events if told is None or not events else told(events)

    def _post(self, message: Message, account: Account, reports: tuple[StatusReport, ...]) -> None:
        if message.callback is not None:
            hooks = [status_callback(message, report, message.callback) for report in reports]
            self._callbacks.post(hooks, account)


def _dropped(events: list[Event]) -> list[Event]:
    return [event._replace(reports=()) for event in events]


def _sent_only(events: list[Event]) -> list[Event]:
    return [*events[:-1], *_dropped(events[-1:])]


def _repeated(times: int) -> Callable[[list[Event]], list[Event]]:
    """At once, not in turn: copies race each other."""

    def told(events: list[Event]) -> list[Event]:
        return [e for event in events for e in (event, *[event._replace(step=None)] * (times - 1))]

    return told


def _reversed(events: list[Event]) -> list[Event]:
    return [*_dropped(events[:-1]), events[-1]._replace(reports=_reports(events)[::-1])]


def _replayed(events: list[Event]) -> list[Event]:
    return [*events, Event(events[-1].at + REPLAY_AFTER, None, _reports(events))]


def _forged(events: list[Event]) -> list[Event]:
    lie = StatusReport("failed", 30008, Authenticity.FORGED)
    return [event._replace(reports=(lie, *event.reports)) for event in events]


def _wrong_account(events: list[Event]) -> list[Event]:
    def other(reports: tuple[StatusReport, ...]) -> tuple[StatusReport, ...]:
        return tuple(report._replace(authenticity=Authenticity.WRONG_ACCOUNT) for report in reports)

    return [event._replace(reports=(*other(event.reports), *event.reports)) for event in events]


def _reports(events: list[Event]) -> tuple[StatusReport, ...]:
    return tuple(report for event in events for report in event.reports)


# How the same delivery is told otherwise than in order.
TOLD: Final[dict[Posts, Callable[[list[Event]], list[Event]]]] = {
    Posts.DROP: _dropped,
    Posts.SENT_ONLY: _sent_only,
    Posts.TWICE: _repeated(2),
    Posts.THRICE: _repeated(3),
    Posts.REVERSE: _reversed,
    Posts.REPLAY: _replayed,
    Posts.FORGED: _forged,
    Posts.WRONG_ACCOUNT: _wrong_account,
}
