"""Accounts at Twilio: an agent's own, or the one in the settings."""

from dataclasses import dataclass, field

from shared.errors import Misconfigured
from shared.opaque import Json
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class TwilioCredentials:
    """One account at Twilio. Its repr shows no secret, so no log does.

    The first of `auth_tokens` signs requests; all of them verify callbacks (rotation).
    `url_from_agent`: a user gave `api_url`, so it must not lead into our network.
    """

    account: str
    auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    api_url: str | None = None
    url_from_agent: bool = False

    @property
    def callback_keys(self) -> tuple[str, ...]:
        """The auth tokens: any of them verifies a callback."""
        return self.auth_tokens


def own(sealed: Json) -> TwilioCredentials:
    """An agent's own account, from the JSON that `schema.ProviderSettings` has checked."""
    return TwilioCredentials(
        account=sealed["account_sid"],
        auth_tokens=(sealed["auth_token"],),
        api_url=sealed.get("api_url"),
        url_from_agent=sealed.get("api_url") is not None,
    )


def platform(chosen: Settings) -> TwilioCredentials:
    """The account in the settings. Raises Misconfigured when there is none, or half of one."""
    secret = chosen.twilio_api_secret
    if chosen.twilio_account_sid is None and chosen.twilio_api_url is None:
        raise Misconfigured(
            "no_carrier",
            "No provider account: set VOLLEY_TWILIO_ACCOUNT_SID and VOLLEY_TWILIO_AUTH_TOKEN, "
            "give the agent its own in provider_settings, or start the simulator: 'volley up'.",
        )
    if chosen.twilio_account_sid is None or not (chosen.auth_tokens or secret):
        raise Misconfigured(
            "no_credentials",
            "VOLLEY_TWILIO_ACCOUNT_SID needs VOLLEY_TWILIO_AUTH_TOKEN beside it.",
        )
    return TwilioCredentials(
        account=chosen.twilio_account_sid,
        auth_tokens=chosen.auth_tokens,
        api_key=chosen.twilio_api_key,
        api_secret=secret.get_secret_value() if secret else None,
        api_url=chosen.twilio_api_url,
    )


def calls_back_from_afar(sealed: Json | None, chosen: Settings) -> bool:
    """Whether Twilio itself calls back, over the internet, and not a simulator."""
    url = sealed.get("api_url") if sealed else chosen.twilio_api_url
    nobody = sealed is None and chosen.twilio_account_sid is None
    return url is None and not nobody
