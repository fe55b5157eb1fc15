"""What an operator may say about a campaign, checked before anything is stored."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scheduler.campaigns.times import Instant
from scheduler.ingest.read.encoding_names import codec_named
from shared.domain.campaign import Priority
from shared.domain.numbering import as_region
from shared.errors import Refused
from shared.opaque import Json
from shared.providers.registry import DEFAULT, provider_named
from shared.settings import settings

_PRIORITIES = {"bulk": Priority.BULK, "reminder": Priority.REMINDER}


class CampaignSettings(BaseModel):
    """The `settings` of POST /api/campaigns, and what the CLI's options become."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    agent_id: str | None = None
    agent_ids: list[str] | None = Field(default=None, min_length=1, max_length=10_000)
    mode: Literal["direct", "agent"] = "direct"
    message: str | None = Field(default=None, max_length=20_000)
    initial_prompt: str | None = Field(default=None, max_length=20_000)
    phone_column: str | None = None
    timezone_column: str | None = None
    region: str | None = Field(default=None, pattern="^[A-Za-z]{2}$")
    encoding: str | None = Field(default=None, max_length=50)
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    include_hidden: bool | None = None
    window: Any = None
    send_before: Instant | None = None
    scheduled_at: Instant | None = None
    priority: Literal["bulk", "reminder"] = "bulk"
    split_at: int = Field(default=1600, ge=70, le=1600)
    require_consent: bool = False
    canary: Any = None
    options: Json = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way_to_name_agents(self) -> Self:
        if (self.agent_id is None) == (self.agent_ids is None):
            raise ValueError("give agent_id, or agent_ids for several: one of the two")
        return self

    @property
    def agents(self) -> list[str]:
        """The ids of the campaign's agents, each once, in the order given."""
        return list(dict.fromkeys(self.agent_ids or [self.agent_id or ""]))

    @property
    def rank(self) -> Priority:
        """Its priority on an agent it shares."""
        return _PRIORITIES[self.priority]

    def refuse_what_is_not_built(self) -> None:
        """Raises Refused not_available for an option of a later stage; it never pretends."""
        asked = {
            "window": self.window not in (None, "always"),
            "require_consent": self.require_consent,
            "canary": self.canary is not None,
        }
        for name, wanted in asked.items():
            if wanted:
                mend = ' Use "always" for now.' if name == "window" else " Leave it out for now."
                raise Refused("not_available", f"'{name}' is not available yet.{mend}")

    def refuse_unknown_encoding(self) -> None:
        """Raises Refused for an `encoding` that is none of a file."""
        if self.encoding is not None:
            codec_named(self.encoding)

    def checked_options(self) -> Json:
        """The provider's options, validated. Raises Refused."""
        provider_named(DEFAULT).check_options(self.options)
        return dict(self.options)

    def stored(self, *, template: str | None) -> Json:
        """What the campaign row keeps: the settings, with every default filled in."""
        kept = self.model_dump(mode="json", exclude_none=True)
        return kept | {
            "template": template,
            "region": as_region(self.region or settings().default_region),
            "options": self.checked_options(),
        }


class CampaignPatch(BaseModel):
    """What may still be changed once a campaign exists."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    priority: Literal["bulk", "reminder"] | None = None
    window: Any = None
    send_before: Instant | None = None

    def columns(self) -> dict[str, str | int | datetime | None]:
        """The columns to write. Raises Refused for a window that is not built yet."""
        if self.window not in (None, "always"):
            raise Refused("not_available", "'window' is not available yet. Use \"always\" for now.")
        given: dict[str, str | int | datetime | None] = {}
        if self.name is not None:
            given["name"] = self.name
        if self.priority is not None:
            given["priority"] = int(_PRIORITIES[self.priority])
        if "send_before" in self.model_fields_set:
            given["send_before"] = self.send_before
        return given
