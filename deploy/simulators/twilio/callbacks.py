"""Callbacks as Twilio posts them: form-encoded, signed, tried again only as their URL asks for.

Rules: twilio.com/docs/usage/security (signature) and /webhooks/webhooks-connection-overrides (the
fragment). The fragment is neither sent nor signed. All tries together take at most 15 s.
"""

import base64
import hmac
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from urllib.parse import quote_plus

from deploy.simulators.kit.http_client import Call, Client, Failure, Origin, target_of
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.log_rows import CreateEntry, Post
from shared import clock

AGENT = "TwilioProxy/1.1"
AGAIN = 0.1  # seconds before the first retry, doubled for each further one


class Authenticity(StrEnum):
    """Whether a posted callback is genuine, or one that must be refused."""

    GENUINE = "genuine"
    FORGED = "forged"
    WRONG_ACCOUNT = "wrong account"


class Overrides(NamedTuple):
    """What the fragment of a callback's URL asks for. Times in seconds."""

    connect: float = 5.0
    read: float = 15.0
    total: float = 15.0
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})


class Address(NamedTuple):
    """A callback's URL, taken apart: where to connect, what to write first, what is signed."""

    origin: Origin
    head: str
    signed: str
    overrides: Overrides


class Callback(NamedTuple):
    """One request to be posted to `url`. `sid` and `status` are for the log."""

    url: str
    sid: str
    status: str
    fields: Sequence[tuple[str, str]]
    token: str
    authenticity: Authenticity = Authenticity.GENUINE


class Callbacks:
    """Posts callbacks for the accounts, and writes each try down."""

    def __init__(self, client: Client, timeline: Timeline, log: Log[CreateEntry, Post]) -> None:
        self._client = client
        self._timeline = timeline
        self._log = log

    def post(self, callbacks: Sequence[Callback], account: Account) -> None:
        """Post these one after the other, each when the one before is over with."""
        if callbacks:
            rest = callbacks[1:]
            _Posting(self, callbacks[0], account, lambda: self.post(rest, account)).attempt(None)

    def send(self, call: Call) -> None:
        self._client.send(call)

    def later(self, seconds: float, act: Callable[[None], None]) -> None:
        self._timeline.after(seconds, act, None)

    def record(self, post: Post) -> None:
        self._log.posts.append(post)


class _Posting(Call):
    """One callback on its way, through all its tries."""

    __slots__ = ("_began", "_callback", "_finished", "_number", "_over", "_owner", "_posted")

    def __init__(
        self, owner: Callbacks, callback: Callback, account: Account, finished: Callable[[], None]
    ) -> None:
        address = _address(callback.url)
        self._owner = owner
        self._callback = callback
        self._finished = finished
        self._over = address.overrides
        self._number = 0
        self._began = self._posted = clock.unix()
        forged = callback.authenticity is Authenticity.FORGED
        secret = "a stranger's guess" if forged else account.auth_token
        self.origin = address.origin
        self.data = _request(address, callback, secret)

    def attempt(self, _: None) -> None:
        self._number += 1
        self._posted = clock.unix()
        left = self._over.total - (self._posted - self._began)
        self.connect = min(self._over.connect, left)
        self.read = min(self._over.read, left)
        self._owner.send(self)

    def done(self, outcome: int | Failure) -> None:
        now = clock.unix()
        callback = self._callback
        self._owner.record(
            Post(
                self._posted, callback.sid, callback.status, callback.url, self._number,
                _word(outcome), round(now - self._posted, 4),
            )
        )  # fmt: skip
        pause = AGAIN * 2 ** (self._number - 1)
        if (
            self._number <= self._over.retries
            and _retried(outcome, self._over.policy)
            and now + pause - self._began < self._over.total
        ):
            self._owner.later(pause, self.attempt)
        else:
            self._finished()


def sign(url: str, fields: Iterable[tuple[str, str]], token: str) -> str:
    """Twilio's signature: HMAC-SHA1 over the URL and the sorted, distinct names and values."""
    text = url + "".join(chain.from_iterable(sorted(dict.fromkeys(fields))))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def _request(address: Address, callback: Callback, secret: str) -> bytes:
    body = "&".join([f"{name}={_quoted(value)}" for name, value in callback.fields])
    return (
        f"{address.head}"
        f"X-Twilio-Signature: {sign(address.signed, callback.fields, secret)}\r\n"
        f"I-Twilio-Idempotency-Token: {callback.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@lru_cache(maxsize=16_384)
def _address(url: str) -> Address:
    """Kept for a while: the callbacks of one message go to the same URL within moments."""
    target = target_of(url)
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.host}\r\n"
        f"User-Agent: {AGENT}\r\nAccept: */*\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    )
    return Address(target.origin, head, url.partition("#")[0], _overrides(target.fragment))


@lru_cache(maxsize=1024)
def _overrides(fragment: str) -> Overrides:
    """Reads `#rc=3&rp=ct,rt,5xx&ct=…`; what is out of its range or unknown keeps its default."""
    asked = dict(pair.partition("=")[::2] for pair in fragment.split("&"))
    default = Overrides()
    return Overrides(
        connect=_within(asked.get("ct"), 100, 10_000, default.connect * 1000) / 1000,
        read=_within(asked.get("rt"), 100, 15_000, default.read * 1000) / 1000,
        total=_within(asked.get("tt"), 100, 15_000, default.total * 1000) / 1000,
        retries=int(_within(asked.get("rc"), 0, 5, default.retries)),
        policy=frozenset(asked["rp"].split(",")) if asked.get("rp") else default.policy,
    )


def _within(text: str | None, low: int, high: int, default: float) -> float:
    return float(text) if text and text.isdecimal() and low <= int(text) <= high else default


@lru_cache(maxsize=256)
def _word(outcome: int | Failure) -> str:
    """One string for each outcome, however often it is logged."""
    return str(outcome)


def _retried(outcome: int | Failure, policy: frozenset[str]) -> bool:
    if outcome is Failure.CONNECT:
        kind = "ct"
    elif isinstance(outcome, Failure):
        kind = "rt"  # the request went out and no whole answer came back
    else:
        kind = f"{outcome // 100}xx"
    return kind in policy or ("all" in policy and kind in ("ct", "rt", "4xx", "5xx"))


_quoted = lru_cache(maxsize=16_384)(quote_plus)  # numbers and words come again within moments
