"""What becomes of a message after it was accepted: its statuses, and when each is called back."""

import random
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from deploy.simulators.kit.faults import Posts
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.callbacks import Callbacks, Truth
from deploy.simulators.twilio.controls import Dials
from deploy.simulators.twilio.recipients import People
from deploy.simulators.twilio.scripted_numbers import Behaviour, Step
from deploy.simulators.twilio.store import Message
from deploy.simulators.twilio.webhook_fields import FINAL, Note, status_callback
from shared import clock

REPLAY_AFTER = 1.0  # seconds after the end


class Beat(NamedTuple):
    """An instant of a journey, in seconds after the answer: a step, and notes posted in turn."""

    at: float
    step: Step | None
    notes: tuple[Note, ...]


class Journey:
    """One message on its way."""

    __slots__ = ("account", "beats", "behaviour", "epoch", "message", "next")

    def __init__(
        self, message: Message, account: Account, *, behaviour: Behaviour, beats: list[Beat],
        epoch: int,
    ) -> None:  # fmt: skip
        self.message = message
        self.account = account
        self.behaviour = behaviour
        self.beats = beats
        self.epoch = epoch
        self.next = 0


class Journeys:
    """Moves accepted messages on, posts their callbacks, and lets the recipients answer."""

    def __init__(
        self, timeline: Timeline, callbacks: Callbacks, *, chance: random.Random,
        dials: Dials, people: People,
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._callbacks = callbacks
        self._chance = chance
        self._dials = dials
        self._people = people
        self._epoch = 0
        self.pools: dict[str, tuple[str, ...]] = {}

    def begin(
        self, message: Message, account: Account, *, behaviour: Behaviour, after: float
    ) -> None:
        """Set out in `after` seconds, which is when the create's answer goes out."""
        beats = self._beats(behaviour)
        journey = Journey(message, account, behaviour=behaviour, beats=beats, epoch=self._epoch)
        if beats:
            first = beats[0].at if behaviour.posts is Posts.EARLY else after + beats[0].at
            self._timeline.after(first, self._go_on, journey)

    def canceled(self, message: Message, account: Account) -> None:
        """Tell that the message was canceled; its journey ends by itself."""
        self._post(message, account, (Note("canceled", None),))

    def stop(self) -> None:
        """No journey begun before now goes on."""
        self._epoch += 1

    def _go_on(self, journey: Journey) -> None:
        message = journey.message
        if journey.epoch != self._epoch or message.status == "canceled" or message.deleted:
            return
        at, step, notes = journey.beats[journey.next]
        if step is not None:
            if message.sender is None:
                message.sender = self._sender(message)
            message.becomes(step[0], step[1], clock.unix())
        delay = self._dials.now.callback_delay_ms / 1000 + journey.behaviour.callback_seconds
        if notes and delay:
            self._timeline.after(
                delay, lambda told: self._post(message, journey.account, told), notes
            )
        elif notes:
            self._post(message, journey.account, notes)
        journey.next += 1
        if journey.next < len(journey.beats):
            self._timeline.after(journey.beats[journey.next].at - at, self._go_on, journey)
        elif journey.behaviour.reply is not None:
            self._people.answer(message, journey.account, journey.behaviour.reply)

    def _sender(self, message: Message) -> str:
        """A messaging service chooses its sender when it sends, the same for the same person."""
        pool = self.pools.get(message.service or "") or ("+15005550006",)
        return pool[zlib.crc32(message.to.encode()) % len(pool)]

    def _beats(self, behaviour: Behaviour) -> list[Beat]:
        if behaviour.posts is Posts.EARLY:
            return [Beat(0.0, step, (Note(*step),)) for step in behaviour.steps]
        control = self._dials.now
        beats: list[Beat] = []
        for step in behaviour.steps:
            low, high = control.delivered_ms if step[0] in FINAL else control.sent_ms
            at = (low + (high - low) * self._chance.random()) / 1000
            beats.append(Beat(max(at, beats[-1].at) if beats else at, step, (Note(*step),)))
        told = TOLD.get(behaviour.posts)
        return beats if told is None or not beats else told(beats)

    def _post(self, message: Message, account: Account, notes: tuple[Note, ...]) -> None:
        if message.callback is not None:
            hooks = [status_callback(message, note, message.callback) for note in notes]
            self._callbacks.post(hooks, account)


def _dropped(beats: list[Beat]) -> list[Beat]:
    return [beat._replace(notes=()) for beat in beats]


def _sent_only(beats: list[Beat]) -> list[Beat]:
    return [*beats[:-1], *_dropped(beats[-1:])]


def _repeated(times: int) -> Callable[[list[Beat]], list[Beat]]:
    """At once, not in turn: copies race each other."""

    def told(beats: list[Beat]) -> list[Beat]:
        return [b for beat in beats for b in (beat, *[beat._replace(step=None)] * (times - 1))]

    return told


def _reversed(beats: list[Beat]) -> list[Beat]:
    return [*_dropped(beats[:-1]), beats[-1]._replace(notes=_notes(beats)[::-1])]


def _replayed(beats: list[Beat]) -> list[Beat]:
    return [*beats, Beat(beats[-1].at + REPLAY_AFTER, None, _notes(beats))]


def _forged(beats: list[Beat]) -> list[Beat]:
    lie = Note("failed", 30008, Truth.FORGED)
    return [beat._replace(notes=(lie, *beat.notes)) for beat in beats]


def _wrong_account(beats: list[Beat]) -> list[Beat]:
    def other(notes: tuple[Note, ...]) -> tuple[Note, ...]:
        return tuple(note._replace(truth=Truth.WRONG_ACCOUNT) for note in notes)

    return [beat._replace(notes=(*other(beat.notes), *beat.notes)) for beat in beats]


def _notes(beats: list[Beat]) -> tuple[Note, ...]:
    return tuple(note for beat in beats for note in beat.notes)


# How the same journey is told otherwise than in order.
TOLD: Final[dict[Posts, Callable[[list[Beat]], list[Beat]]]] = {
    Posts.DROP: _dropped,
    Posts.SENT_ONLY: _sent_only,
    Posts.TWICE: _repeated(2),
    Posts.THRICE: _repeated(3),
    Posts.REVERSE: _reversed,
    Posts.REPLAY: _replayed,
    Posts.FORGED: _forged,
    Posts.WRONG_ACCOUNT: _wrong_account,
}
