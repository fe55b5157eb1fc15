"""What a number does, by its last four digits. Every other number is delivered.

This table is the simulator's manual: `GET /script` prints it, a script file may add to it
(`"numbers"`, `"senders"`), and `"scripted_numbers": false` turns it off for large number ranges.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deploy.simulators.kit.faults import Answer, Posts
from deploy.simulators.twilio.validation import REFUSALS

Status = Literal["sending", "sent", "delivered", "undelivered", "failed"]
Step = tuple[Status, int | None]

DELIVERED: Final[tuple[Step, ...]] = (("sent", None), ("delivered", None))


class Behaviour(BaseModel):
    """How one create is answered and what then becomes of its message.

    `does` says it in words. `refuse` is a Twilio code to refuse the create with; `first_only`
    limits the behaviour to the first create for a number. `steps` are the message's statuses after
    the initial one, each with its error code. Times are in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    does: str = "what the script file says"
    refuse: int | None = None
    retry_after: int | None = None
    answer: Answer = Answer.CREATED
    answer_seconds: float = Field(default=0, ge=0)
    first_only: bool = False
    steps: tuple[Step, ...] = DELIVERED
    posts: Posts = Posts.IN_ORDER
    callback_seconds: float = Field(default=0, ge=0)
    listed: bool = True
    reply: str | None = None

    @field_validator("refuse")
    @classmethod
    def _known(cls, code: int | None) -> int | None:
        if code is not None and code not in REFUSALS:
            raise ValueError(f"{code} is not one of {sorted(REFUSALS)}")
        return code


def _undelivered(code: int) -> tuple[Step, ...]:
    return ("sent", None), ("undelivered", code)


def _ends(does: str, *steps: Step) -> Behaviour:
    return Behaviour(does=does, steps=steps)


def _refused(code: int, does: str, *, first_only: bool = False) -> Behaviour:
    return Behaviour(does=f"create refused: {code}, {does}", refuse=code, first_only=first_only)


def _answered(answer: Answer, does: str, *, first_only: bool = False) -> Behaviour:
    return Behaviour(does=does, answer=answer, first_only=first_only)


def _posted(posts: Posts, does: str) -> Behaviour:
    return Behaviour(does=does, posts=posts)


ORDINARY: Final = Behaviour(does="accepted, sent, delivered")

NUMBERS: Final[dict[str, Behaviour]] = {
    # What the networks do
    "9001": _ends("undelivered: 30003, handset unreachable", *_undelivered(30003)),
    "9002": _ends("undelivered: 30005, unknown handset", *_undelivered(30005)),
    "9003": _ends("failed: 30008, unknown error", ("failed", 30008)),
    "9004": _ends("undelivered: 30007, filtered", *_undelivered(30007)),
    "9005": _refused(21211, "invalid To"),
    "9006": _refused(21610, "opted out"),
    "9007": _refused(21614, "not a mobile number"),
    "9008": _refused(21408, "no permission for the country"),
    "9009": _ends("undelivered: 30006, landline or unreachable carrier", *_undelivered(30006)),
    # When the answer and the callbacks come
    "9010": Behaviour(does="slow: the 201 comes after 2 s", answer_seconds=2),
    "9011": _posted(Posts.TWICE, "every callback comes twice, at once"),
    "9012": _posted(Posts.REVERSE, "callbacks backwards: delivered, then sent"),
    "9013": _posted(Posts.EARLY, "callbacks before the 201"),
    "9014": _posted(Posts.DROP, "no callback at all; a fetch shows delivered"),
    "9015": Behaviour(
        does="no callback at all; a fetch shows sent for ever",
        steps=(("sent", None),),
        posts=Posts.DROP,
    ),
    # Answers that leave the client in doubt, or harmless ones that look alike
    "9016": _answered(Answer.ERROR_BEFORE, "first try: 500, not accepted", first_only=True),
    "9017": _answered(Answer.ERROR_AFTER, "500 after accepting; delivered and called back"),
    "9018": _answered(Answer.RESET_AFTER, "connection reset after accepting"),
    "9019": _answered(
        Answer.RESET_BEFORE, "first try: connection reset, not accepted", first_only=True
    ),
    "9020": _answered(Answer.HANG_AFTER, "accepts, never answers"),
    "9021": _answered(
        Answer.HANG_BEFORE, "first try: never answers, not accepted", first_only=True
    ),
    "9022": _answered(Answer.TRUNCATED, "accepts; the 201 breaks off in the middle of its JSON"),
    "9023": Behaviour(
        does="first try: 429 (20429) with Retry-After: 1",
        refuse=20429,
        retry_after=1,
        first_only=True,
    ),
    "9024": Behaviour(
        does="first try: 429 (20429) without Retry-After", refuse=20429, first_only=True
    ),
    "9025": _posted(Posts.SENT_ONLY, "the callback of delivered never comes; a fetch shows it"),
    "9026": Behaviour(does="delivered; the person answers STOP", reply="STOP"),
    "9027": Behaviour(does="callbacks come 10 s late", callback_seconds=10),
    "9028": _posted(Posts.THRICE, "every callback comes three times, at once"),
    "9029": Behaviour(
        does="accepts, never answers, no callback; listed",
        answer=Answer.HANG_AFTER,
        posts=Posts.DROP,
    ),
    "9030": Behaviour(
        does="500 after accepting, no callback, not listed: nothing can prove it",
        answer=Answer.ERROR_AFTER,
        posts=Posts.DROP,
        listed=False,
    ),
    "9031": _posted(Posts.FORGED, "before each callback a forged one, falsely signed, says failed"),
    "9032": _posted(Posts.WRONG_ACCOUNT, "before each callback one that names another account"),
    "9033": _posted(Posts.REPLAY, "a second after the end every callback is posted again"),
    "9034": _answered(Answer.SLOW_LORIS, "accepts; the 201 comes at four bytes a second"),
    "9035": Behaviour(does="delivered; the person answers: yes please", reply="yes please"),
    # Throttles, limits and configuration
    "9040": _refused(21611, "sender's queue is full, on the first try", first_only=True),
    "9041": _refused(20003, "authentication failed"),
    "9042": _refused(21608, "trial account, unverified number"),
    "9043": _refused(21612, "no route from this sender to this number"),
    "9044": _refused(63038, "the account's daily limit, as HTTP 429"),
    "9045": _ends("failed: 30001, the service's queue overflowed", ("failed", 30001)),
    "9046": _ends("undelivered: 30022, 10DLC rate exceeded", *_undelivered(30022)),
    "9047": _ends("undelivered: 30023, 10DLC daily cap", *_undelivered(30023)),
    "9048": _ends("undelivered: 30027, T-Mobile daily cap", *_undelivered(30027)),
    "9049": _ends("failed: 21610 in a callback, opted out", ("failed", 21610)),
    "9050": _ends("undelivered: 30004, blocked", *_undelivered(30004)),
    "9051": _ends("undelivered: 30034, unregistered 10DLC sender", *_undelivered(30034)),
    "9052": _ends("sending, sent, delivered", ("sending", None), *DELIVERED),
    "9053": _ends("accepted and then nothing: stays queued for ever"),
    "9054": _ends("sent and called back, but never confirmed", ("sent", None)),
}

SENDERS: Final[dict[str, Behaviour]] = {
    "9101": _refused(21606, "this From cannot send to this destination"),
    "9102": _refused(21659, "this From is no Twilio number"),
    "9103": _refused(21660, "this From belongs to another account"),
    "9104": _refused(21611, "this From's queue is full, every time"),
    "9105": _ends("undelivered: 30032, unverified toll-free number", *_undelivered(30032)),
    "9106": _ends("undelivered: 30034, unregistered 10DLC sender", *_undelivered(30034)),
    "9107": _refused(63038, "this From's account has reached its daily limit, as HTTP 429"),
}


class Script:
    """The behaviours in force: the tables above and what a script file adds to them."""

    def __init__(self, numbers: dict[str, Behaviour], senders: dict[str, Behaviour]) -> None:
        self._numbers = NUMBERS | numbers
        self._senders = SENDERS | senders
        self._tried: set[str] = set()

    def behaviour(self, to: str, sender: str | None) -> Behaviour | None:
        """What this create is to live through; None: nothing particular. Remembers first tries."""
        found = self._numbers.get(to[-4:])
        if found is None and sender is not None:
            found = self._senders.get(sender[-4:])
        if found is None or not found.first_only:
            return found
        if to in self._tried:
            return ORDINARY
        self._tried.add(to)
        return found

    def forget(self) -> None:
        """All first tries are to come again."""
        self._tried.clear()

    def table(self) -> dict[str, str]:
        """The manual: last digits of To, or `from` and those of From, and what they do."""
        senders = {f"from {digits}": b.does for digits, b in self._senders.items()}
        return {digits: b.does for digits, b in self._numbers.items()} | senders
