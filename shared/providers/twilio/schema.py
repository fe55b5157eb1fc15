"""The fields that Twilio adds to an agent's body: an account, and a messaging service.

The API's names for them are fixed. They are declared only here.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.opaque import Json
from shared.providers.transport.urls import check_public_url
from shared.settings import settings

#: The SID of a messaging service.
_SID = r"MG[0-9a-fA-F]{32}"
_SERVICE = re.compile(_SID, re.ASCII)


class ProviderSettings(BaseModel):
    """The agent's own account. The API takes it and never shows it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    account_sid: str = Field(pattern=r"^AC[0-9A-Za-z]{1,62}$")
    auth_token: str = Field(min_length=1, max_length=200)
    api_url: str | None = Field(default=None, max_length=500)

    def checked(self) -> Json:
        """The values to seal. Raises Refused invalid_url; resolves the host's name."""
        if self.api_url is None:
            return self.model_dump(exclude_none=True)
        url = check_public_url(self.api_url, allow_private=settings().allow_private_urls)
        return self.model_dump() | {"api_url": url.rstrip("/")}


class AgentFields(BaseModel):
    """The fields of an agent's body that are Twilio's."""

    messaging_service_sid: (
        Annotated[str, Field(json_schema_extra={"pattern": f"^{_SID}$"})] | None
    ) = None
    provider_settings: ProviderSettings | None = None

    @field_validator("messaging_service_sid")
    @classmethod
    def _a_service(cls, sid: str | None) -> str | None:
        if sid is not None and not is_service(sid):
            raise ValueError("a messaging service's SID is MG and 32 hexadecimal digits")
        return sid


def is_service(sid: object) -> bool:
    """Whether this can be the SID of a messaging service."""
    return isinstance(sid, str) and _SERVICE.fullmatch(sid) is not None
