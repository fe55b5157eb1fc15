"""One provider as the rest of Volley knows it: a record that each provider's folder makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.errors import Refused
from shared.opaque import Json
from shared.providers.base import Credentials, Reports, Sends
from shared.providers.codes import Code
from shared.settings import Settings


class MakesAdapters(Protocol):
    """Makes the adapter of one account."""

    def __call__(
        self, credentials: Any, /, *, timeout: tuple[float, float], public_only: bool
    ) -> Sends:
        """`credentials` are the folder's own; `timeout` is (connect, read) in seconds.

        With `public_only` it connects to public addresses only.
        """


class Accounts(Protocol):
    """Reads a provider's credentials, which nobody else understands. A module may be one."""

    def own(self, sealed: Json, /) -> Credentials:
        """An agent's own account, from what its schema has checked and the database has kept."""

    def platform(self, chosen: Settings, /) -> Credentials:
        """The account in the settings. Raises Misconfigured when there is none, or half of one."""

    def calls_back_from_afar(self, sealed: Json | None, chosen: Settings, /) -> bool:
        """Whether callbacks come over the internet from the provider itself, not from a stand-in
        at an address that was set; None asks about the account in the settings.
        """


@dataclass(frozen=True, slots=True)
class Provider:
    """All that is asked of a provider.

    `name` stands in the ledger and in addresses, `title` in sentences for people. `callbacks` are
    what it reports, by kind: the last word of the address that it calls. `codes` is its table of
    error codes, and `look_up` finds in it, or makes, the row of any number. `check_options` raises
    Refused for an option of a campaign that the provider would refuse. The schemas of its
    credentials and senders, which the API's description shows, are named in registry.py.
    """

    name: str
    title: str
    adapter: MakesAdapters
    callbacks: Mapping[str, Reports]
    codes: Mapping[int, Code]
    look_up: Callable[[int], Code]
    check_options: Callable[[Json], None]
    accounts: Accounts

    def reports(self, kind: str = "status") -> Reports:
        """How its callbacks of that kind are verified and read. Raises Refused for a kind
        that it does not report.
        """
        known = self.callbacks.get(kind)
        if known is None:
            raise Refused("not_available", f"{self.title} reports no {kind!r}.")
        return known
