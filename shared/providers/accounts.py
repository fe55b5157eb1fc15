"""The account for an agent's calls: its own, or the platform's."""

from shared.errors import InWords
from shared.opaque import Json
from shared.providers.base import Credentials
from shared.providers.registry import DEFAULT, provider_named
from shared.settings import settings


def account_name(name: str, account: str) -> str:
    """The account's name, which its limits, listings, holds and callbacks are stored under.

    `name` is the provider's, `account` the account's id there.
    """
    return f"{name}:{account}"


def platform_account(name: str = DEFAULT) -> str | None:
    """The platform's account, for agents without one of their own; None if it is not set."""
    try:
        return account_name(name, credentials_for(name, None).account)
    except InWords:
        return None


def credentials_for(name: str, own: Json | None) -> Credentials:
    """The agent's own account if it has one, else the platform's.

    Raises Misconfigured without either, Refused for a provider that is not built.
    """
    accounts = provider_named(name).accounts
    return accounts.own(own) if own else accounts.platform(settings())
