"""All that may be changed about the carrier: at its start by a script file, or while it runs."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy.simulators.kit.faults import Answer, Posts
from deploy.simulators.twilio.accounts import Account
from deploy.simulators.twilio.scripted_numbers import Behaviour

Rate = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]
Span = tuple[Milliseconds, Milliseconds]


class Control(BaseModel):
    """The carrier's dials, as `GET` and `POST /control` show and take them.

    A create is answered after `latency_ms` and up to `jitter_ms` more. `sent_ms` and `delivered_ms`
    are spans after that answer, drawn evenly. `fault_rates` and `callbacks` give chances to faults,
    for numbers that have no script. Until `storm_429_until` (Unix seconds) every create is refused
    with 20429, and with `retry_after` if it is set; `concurrency_limit` does so above that
    many calls at once, hung ones not counted. A message is listed `list_lag_seconds` after it was
    created.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: Milliseconds = 50
    jitter_ms: Milliseconds = 10
    sent_ms: Span = (50, 150)
    delivered_ms: Span = (200, 500)
    callback_delay_ms: Milliseconds = 0
    callback_connections: int = Field(default=400, ge=1)
    fault_rates: dict[Answer, Rate] = {}
    callbacks: dict[Posts, Rate] = {}
    list_lag_seconds: float = Field(default=0, ge=0)
    list_down: bool = False
    concurrency_limit: int | None = Field(default=1000, ge=0)
    storm_429_until: float = 0
    retry_after: int | None = Field(default=None, ge=0)
    inbound_url: str | None = None
    scripted_numbers: bool = True

    @model_validator(mode="after")
    def _sane(self) -> "Control":
        for rates in (self.fault_rates, self.callbacks):
            if sum(rates.values()) > 1.000001:
                raise ValueError("the rates of one table add up to more than 1")
        for first, last in (self.sent_ms, self.delivered_ms):
            if first > last:
                raise ValueError("a span's first number is its smaller one")
        return self


class Dials:
    """Holds the dials as they are now."""

    def __init__(self, now: Control) -> None:
        self.now = now

    def change(self, changes: dict[str, Any]) -> None:
        """Change some dials, all or none. Raises pydantic.ValidationError for invalid values."""
        self.now = Control.model_validate(self.now.model_dump() | changes)


class AccountEntry(BaseModel):
    """One more account in a script file."""

    model_config = ConfigDict(extra="forbid")

    sid: str = Field(pattern="^AC[0-9a-fA-F]{32}$")
    auth_token: str
    api_keys: dict[str, str] = {}
    senders: frozenset[str] | None = None
    inbound_url: str | None = None

    def account(self) -> Account:
        return Account(
            self.sid, self.auth_token, dict(self.api_keys), self.senders, self.inbound_url
        )


class ScriptFile(Control):
    """A script file: the dials of /control, and more numbers, senders, accounts and services.

    `services` maps a messaging service's SID to the numbers in its pool; without any, every
    well-formed SID is a service.
    """

    numbers: dict[str, Behaviour] = {}
    senders: dict[str, Behaviour] = {}
    accounts: list[AccountEntry] = []
    services: dict[str, tuple[str, ...]] = {}

    @classmethod
    def read(cls, path: Path) -> "ScriptFile":
        """Raises OSError or pydantic.ValidationError."""
        return cls.model_validate_json(path.read_bytes())

    def control(self) -> Control:
        return Control.model_validate(self.model_dump(include=set(Control.model_fields)))
