"""One provider, as the rest of Volley uses it: each provider's folder makes such a record."""

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
    """Reads a provider's credentials. A module may implement it."""

    def own(self, sealed: Json, /) -> Credentials:
        """An agent's own account, from the stored JSON that its schema has checked."""

    def platform(self, chosen: Settings, /) -> Credentials:
        """The account in the settings. Raises Misconfigured when there is none, or half of one."""

    def calls_back_from_afar(self, sealed: Json | None, chosen: Settings, /) -> bool:
        """Whether the provider itself calls back, over the internet, instead of a simulator at a
        configured address. `sealed` None: the account in the settings.
        """


@dataclass(frozen=True, slots=True)
class Provider:
    """All that the rest of Volley uses of a provider.

    `name` is for the ledger and for addresses, `title` for sentences. `callbacks` maps the kind of
    a callback, the last word of its address, to its reader. `codes` is the table of error codes;
    `look_up` finds the row of a code, or makes one. `check_options` raises Refused for a
    campaign's option that the provider would refuse. registry.py names the schemas of its
    credentials and senders, which the API's description shows.
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
        """The reader of its callbacks of this kind. Raises Refused for an unknown kind."""
        known = self.callbacks.get(kind)
        if known is None:
            raise Refused("not_available", f"{self.title} reports no {kind!r}.")
        return known
