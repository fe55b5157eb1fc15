"""POST Messages.json: every create is checked, scripted, accepted or not, logged, and answered."""

import mimetypes
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from deploy.simulators.kit import faults
from deploy.simulators.kit.faults import Answer, Posts
from deploy.simulators.kit.http_server import Request
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio import answers, resources, segments
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.controls import Control, Dials
from deploy.simulators.twilio.delivery import Deliveries
from deploy.simulators.twilio.log_rows import CreateEntry, Post
from deploy.simulators.twilio.recipients import Recipients
from deploy.simulators.twilio.scripted_numbers import ORDINARY, Behaviour, Script
from deploy.simulators.twilio.store import Feedback, Media, Message, Store
from deploy.simulators.twilio.validation import (
    REFUSALS,
    Draft,
    Form,
    Setting,
    complaint,
    seconds_ahead,
)

EARLY_SECONDS = 0.5  # how much later the 201 comes when callbacks come before it


class Case(NamedTuple):
    """One create being worked on. Without an account its credentials were wrong."""

    request: Request
    account: Account | None
    account_sid: str
    draft: Draft


@dataclass(slots=True)
class CreateMessage:
    """The route that accepts messages."""

    dials: Dials
    chance: random.Random
    timeline: Timeline
    store: Store
    log: Log[CreateEntry, Post]
    deliveries: Deliveries
    recipients: Recipients
    script: Script
    services: dict[str, tuple[str, ...]]

    def receive(
        self, request: Request, account: Account | None, account_sid: str, *, code: int | None
    ) -> None:
        """Answer one create, now or later. A `code` says it was refused before it came here."""
        case = Case(request, account, account_sid, Draft.of(Form(request.body)))
        if account is None or code is not None:
            self._refuse(case, code or 20003)
            return
        control = self.dials.now
        if request.at < control.storm_429_until:
            self._refuse(case, 20429, retry_after=control.retry_after)
            return
        setting = Setting(account, self.services, request.at)
        code = complaint(case.draft, setting)
        if code is None and self.recipients.opted_out(case.draft.sender, case.draft.to):
            code = 21610
        if code is not None:
            self._refuse(case, code)
        else:
            self._live(case, account, self._behaviour(case.draft, control))

    def _behaviour(self, draft: Draft, control: Control) -> Behaviour:
        if control.scripted_numbers:
            scripted = self.script.behaviour(draft.to, draft.sender)
            if scripted is not None:
                return scripted
        answer = faults.draw(self.chance, control.fault_rates, Answer.CREATED)
        posts = faults.draw(self.chance, control.callbacks, Posts.IN_ORDER)
        if answer is Answer.CREATED and posts is Posts.IN_ORDER:
            return ORDINARY
        return _faulty(answer, posts, control.retry_after)

    def _live(self, case: Case, account: Account, behaviour: Behaviour) -> None:
        if behaviour.refuse is not None:
            self._refuse(case, behaviour.refuse, retry_after=behaviour.retry_after)
            return
        delay = self._latency() + behaviour.answer_seconds
        if behaviour.posts is Posts.EARLY:
            delay += EARLY_SECONDS
        payload, sid = b"", None
        if behaviour.answer.accepts:
            message = self._accept(case, account, behaviour, delay)
            document, sid = resources.created(message), message.sid
            payload = answers.written(case.request, "Message", document)
        self._note(case, answer=behaviour.answer.value, sid=sid)
        if behaviour.answer.hangs:
            case.request.hang()
        else:
            self._later(delay, lambda _: _give(case.request, behaviour.answer, payload))

    def _accept(self, case: Case, account: Account, behaviour: Behaviour, delay: float) -> Message:
        draft = case.draft
        body = segments.smart(draft.body) if draft.smart else draft.body
        at, mms = case.request.at, bool(draft.media) or draft.as_mms
        message = Message(account.sid, draft.to, draft.sender, body=body, at=at, mms=mms)
        message.service = draft.service
        message.callback = draft.callback
        message.media = tuple(_media(url, at) for url in draft.media)
        message.segments = 1 if mms else segments.count(body)
        if draft.feedback:
            message.feedback = Feedback("unconfirmed", at, at)
        message.listed = behaviour.listed
        ahead = seconds_ahead(draft, at)
        if draft.service is not None:
            message.status = "accepted" if ahead is None else "scheduled"
        self.store.add(message)
        after = delay if ahead is None else ahead
        self.deliveries.begin(message, account, behaviour=behaviour, after=after)
        return message

    def _refuse(self, case: Case, code: int, *, retry_after: int | None = None) -> None:
        self._note(case, answer=str(REFUSALS[code][0]), code=code)
        headers = b"" if retry_after is None else b"Retry-After: %d\r\n" % retry_after
        detail = case.draft.to if code in (21211, 21614) else ""
        self._later(
            self._latency(),
            lambda _: answers.refuse(case.request, code, detail=detail, headers=headers),
        )

    def _note(
        self, case: Case, *, answer: str, code: int | None = None, sid: str | None = None
    ) -> None:
        draft = case.draft
        self.log.entries.append(
            CreateEntry(
                case.request.at, sid, case.account_sid, draft.to, draft.sender, draft.service,
                draft.body, draft.callback, answer, code, sid is not None,
            )
        )  # fmt: skip

    def _latency(self) -> float:
        control = self.dials.now
        return (control.latency_ms + control.jitter_ms * self.chance.random()) / 1000

    def _later(self, seconds: float, act: Callable[[None], None]) -> None:
        if seconds:
            self.timeline.after(seconds, act, None)
        else:
            act(None)


def _give(request: Request, answer: Answer, payload: bytes) -> None:
    faults.give(request, answer, 201, payload, refuse=lambda _: answers.refuse(request, 20500))


def _media(url: str, at: float) -> Media:
    """Twilio has fetched the file; what it is, its name tells."""
    guessed, _ = mimetypes.guess_type(urlsplit(url).path)
    return Media("ME" + os.urandom(16).hex(), url, guessed or "image/jpeg", at)


@lru_cache(maxsize=256)
def _faulty(answer: Answer, posts: Posts, retry_after: int | None) -> Behaviour:
    """What a number without a script does when a fault was drawn for it."""
    if answer is Answer.THROTTLED:
        return Behaviour(refuse=20429, retry_after=retry_after)
    return Behaviour(answer=answer, posts=posts)
