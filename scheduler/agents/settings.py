"""What an operator may say about an agent, checked before anything is stored."""

import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from shared.domain.phone import PhoneError, normalise
from shared.domain.template import Template
from shared.errors import Refused
from shared.ledger.agents import NewSender
from shared.opaque import Json
from shared.providers import registry
from shared.settings import settings

#: Letters, digits, dots, dashes: an id is part of addresses and of the throttle's keys.
AGENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

#: What a sender may be limited to. A US long code carries 1 segment a second, a short code 100.
SEGMENTS_PER_SECOND = (0.1, 1000)
SEGMENTS_PER_DAY = (1, 100_000_000)

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SHORT_CODE = re.compile(r"\d{3,8}", re.ASCII)


def _bounds(between: tuple[float, float]) -> dict[str, JsonValue]:
    """For the description alone: the message that people read is made by `_between`."""
    return {"minimum": between[0], "maximum": between[1]}


class SenderGiven(BaseModel):
    """One From of the agent: a number in E.164, or a short code."""

    model_config = ConfigDict(extra="forbid")

    number: str
    primary: bool = False
    #: left out or null: as many as its agents' pace gives
    segments_per_second: (
        Annotated[float, Field(strict=True, json_schema_extra=_bounds(SEGMENTS_PER_SECOND))] | None
    ) = None
    segments_per_day: (
        Annotated[int, Field(strict=True, json_schema_extra=_bounds(SEGMENTS_PER_DAY))] | None
    ) = None

    @field_validator("segments_per_second", mode="before")
    @classmethod
    def _a_pace(cls, given: Any) -> Any:
        return _between(given, *SEGMENTS_PER_SECOND, "a second")

    @field_validator("segments_per_day", mode="before")
    @classmethod
    def _a_day(cls, given: Any) -> Any:
        if isinstance(given, float) and given.is_integer():
            given = int(given)  # 5.0 is a whole number to JSON, which has one kind of numbers
        return _between(given, *SEGMENTS_PER_DAY, "a day")

    @field_validator("number")
    @classmethod
    def _dialable(cls, given: str) -> str:
        # The provider knows which numbers are ours, so what has E.164's shape is believed here.
        plain = re.sub(r"[\s().-]", "", given)
        if _E164.fullmatch(plain) or _SHORT_CODE.fullmatch(plain):
            return plain
        try:
            return normalise(given, settings().default_region)
        except PhoneError as error:
            raise ValueError(f"{error.reason} {error.fix}") from None


class Opener(BaseModel):
    """How the agent opens a conversation. Only templates are built yet."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["template", "llm", "remote"]
    template: str | None = Field(default=None, max_length=20_000)
    model: Any = None
    instructions: Any = None
    fallback: Any = None
    max_segments: Any = None

    def checked(self) -> Json:
        """As it is stored. Raises Refused not_available, or why the template is not one."""
        if self.kind != "template":
            raise not_available(f"opener.kind '{self.kind}'", "Use 'template' for now.")
        for name in ("model", "instructions", "fallback", "max_segments"):
            if getattr(self, name) is not None:
                raise not_available(f"opener.{name}", "Leave it out for now.")
        if self.template is not None:
            Template(self.template)
        return {"kind": self.kind, "template": self.template}


class AgentChanges(registry.AgentFields):
    """PATCH /api/agents/{id}: what is given changes, null empties it, the rest stays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    senders: Annotated[list[SenderGiven], Field(max_length=1000)] | None = None
    #: session starts per second, over the whole cluster
    sessions_per_second: Annotated[float, Field(ge=1, le=5, strict=True)] | None = None
    #: from when `sessions_per_second` counts; now when left out
    effective_at: AwareDatetime | None = None
    timezone: str | None = None
    opener: Opener | None = None
    status: Literal["active", "paused"] | None = None

    @field_validator("senders", mode="before")
    @classmethod
    def _numbers_are_senders(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        return [{"number": item} if isinstance(item, str) else item for item in given]

    @field_validator("sessions_per_second", mode="before")
    @classmethod
    def _within_bounds(cls, given: Any) -> Any:
        if isinstance(given, int | float) and not isinstance(given, bool) and not 1 <= given <= 5:
            raise ValueError("1 to 5 session starts a second are possible")
        return given

    @field_validator("timezone")
    @classmethod
    def _a_place(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError("no such time zone; write it as America/New_York or Europe/Berlin")
        return ZoneInfo(name).key if name else None

    @model_validator(mode="after")
    def _a_time_of_something(self) -> Self:
        if self.effective_at is not None and self.sessions_per_second is None:
            raise ValueError("effective_at is when sessions_per_second changes: give both")
        return self

    def speaks_from(self) -> list[NewSender]:
        """The senders as they are stored. Raises Refused."""
        given = self.senders or []
        if sum(sender.primary for sender in given) > 1:
            raise Refused("two_primary_senders", "Only one sender can be the primary one.")
        if len({sender.number for sender in given}) < len(given):
            raise Refused("duplicate_sender", "A sender is listed twice. Leave one out.")
        return [
            NewSender(s.number, s.primary, s.segments_per_second, s.segments_per_day) for s in given
        ]


class NewAgent(AgentChanges):
    """POST /api/agents."""

    id: str = Field(pattern=AGENT_ID)
    provider: registry.Name = registry.DEFAULT

    def refuse_what_is_not_built(self) -> None:
        """Raises Refused not_available for a provider of a later stage."""
        if self.provider not in registry.PROVIDERS:
            built = " or ".join(f"'{name}'" for name in registry.PROVIDERS)
            raise not_available(f"Provider '{self.provider}'", f"Use {built} for now.")


def _between(given: Any, least: float, most: float, when: str) -> Any:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if is_number and not least <= given <= most:
        raise ValueError(
            f"{least:,} to {most:,} segments {when} are possible; leave it out for no limit"
        )
    return given


def not_available(what: str, mend: str) -> Refused:
    """It is in the plan and not built yet; it never pretends."""
    return Refused("not_available", f"{what} is not available yet. {mend}")
