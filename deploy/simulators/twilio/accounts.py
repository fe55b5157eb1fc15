"""The accounts of the simulated Twilio, and their authentication."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

DEFAULT_SID = "AC" + "0123456789abcdef" * 2


def new_token() -> str:
    """A random auth token: with a known one anybody could sign callbacks."""
    return secrets.token_hex(16)


@dataclass(slots=True)
class Account:
    """One Twilio account. `senders` None means: every number may be its sender.

    `keys` are its API keys (SK…) with their secrets; they authenticate calls and never sign.
    """

    sid: str
    auth_token: str
    keys: dict[str, str] = field(default_factory=dict)
    senders: frozenset[str] | None = None
    inbound_url: str | None = None
    concurrent: int = 0

    def __post_init__(self) -> None:
        self.keys.setdefault("SK" + self.sid[2:], self.auth_token)

    def release(self) -> None:
        """One call of this account is no longer being worked on."""
        self.concurrent -= 1


class Accounts:
    """Looks accounts up by their SID and by what an Authorization header says."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_sid = {account.sid: account for account in accounts}
        self._by_header: dict[bytes, Account | None] = {}

    def __getitem__(self, sid: str) -> Account:
        return self._by_sid[sid]

    def __contains__(self, sid: str) -> bool:
        return sid in self._by_sid

    def first(self) -> Account:
        return next(iter(self._by_sid.values()))

    def authenticate(self, header: bytes) -> Account | None:
        """The account whose basic credentials these are: SID and token, or API key and secret."""
        if header not in self._by_header:
            if len(self._by_header) > 10_000:
                self._by_header.clear()
            self._by_header[header] = self._look_up(header)
        return self._by_header[header]

    def _look_up(self, header: bytes) -> Account | None:
        kind, _, encoded = header.partition(b" ")
        if kind.lower() != b"basic":
            return None
        try:
            user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        for account in self._by_sid.values():
            if secret == {**account.keys, account.sid: account.auth_token}.get(user):
                return account
        return None
