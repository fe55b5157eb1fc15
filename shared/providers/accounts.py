"""Which account an agent's calls are made with: its own, the platform's, or the simulator's."""

from shared.errors import Misconfigured
from shared.opaque import Json
from shared.providers.base import Credentials
from shared.settings import Settings, settings


def account_name(provider: str, account_sid: str) -> str:
    """What all agents of one account share: its limits, its listing, its holds, its callbacks."""
    return f"{provider}:{account_sid}"


def platform_account(provider: str = "twilio") -> str | None:
    """The account this process calls with for agents that have none of their own; None: none."""
    try:
        return account_name(provider, platform_credentials(settings()).account_sid)
    except Misconfigured:
        return None


def credentials_for(own: Json | None) -> Credentials:
    """The agent's own account if it has one, else the platform's. Raises Misconfigured."""
    if own:
        return Credentials(
            account_sid=own["account_sid"],
            auth_tokens=(own["auth_token"],),
            api_url=own.get("api_url"),
            url_from_agent=own.get("api_url") is not None,
        )
    return platform_credentials(settings())


def platform_credentials(chosen: Settings) -> Credentials:
    """The account in the settings, or the simulator's while no real one is configured."""
    if chosen.simulated:
        if chosen.carrier_url is None or chosen.carrier_account_sid is None:
            raise Misconfigured(
                "no_carrier",
                "No provider account: set VOLLEY_TWILIO_ACCOUNT_SID and VOLLEY_TWILIO_AUTH_TOKEN, "
                "give the agent its own in provider_settings, or start the simulator: 'volley up'.",
            )
        return Credentials(
            account_sid=chosen.carrier_account_sid,
            auth_tokens=chosen.auth_tokens,
            api_url=chosen.carrier_url,
        )
    if chosen.twilio_account_sid is None or not (chosen.auth_tokens or chosen.twilio_api_secret):
        raise Misconfigured(
            "no_credentials",
            "VOLLEY_TWILIO_ACCOUNT_SID needs VOLLEY_TWILIO_AUTH_TOKEN beside it.",
        )
    secret = chosen.twilio_api_secret
    return Credentials(
        account_sid=chosen.twilio_account_sid,
        auth_tokens=chosen.auth_tokens,
        api_key=chosen.twilio_api_key,
        api_secret=secret.get_secret_value() if secret else None,
        api_url=chosen.twilio_api_url,
    )
