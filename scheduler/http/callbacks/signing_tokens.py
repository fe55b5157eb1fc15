"""Who may sign callbacks: the signing tokens of our account, and of agents with one of their own.

An account that no agent has any more still signs for the calls that were made with it, for a while.
"""

import asyncio
from contextlib import suppress
from typing import Final

from sqlalchemy import text

from shared.db.session import transaction
from shared.errors import Misconfigured, Refused
from shared.ledger.routing import opened
from shared.logging import get_logger
from shared.outage import Outage
from shared.providers.accounts import account_name, credentials_for
from shared.providers.registry import PROVIDERS

log = get_logger(__name__)

#: Tokens of agents' own accounts are read again this often (seconds).
FRESH_FOR: Final = 30.0
#: For a signature that fits none we know they are read at once, but not more often than this.
ASKED_AGAIN: Final = 1.0


class Tokens:
    """Signing tokens by the account's name. Belongs to one event loop.

    Nobody who is known waits for a read.
    """

    def __init__(self) -> None:
        #: the settings' account: its tokens stay as they are while this process lives
        self._platform = _platform_tokens()
        self._tokens = self._platform
        #: when the last read began
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        #: the agents' own accounts could not be read
        self._unread = False
        self._postgres = Outage(
            log, away="callbacks.tokens_not_read", back="callbacks.tokens_read_again"
        )
        self._rereading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start reading them again and again. Called once."""
        self._rereading = asyncio.create_task(self._reread())

    async def stop(self) -> None:
        """End."""
        if self._rereading:
            self._rereading.cancel()
            await asyncio.gather(self._rereading, return_exceptions=True)

    def known(self, account: str) -> tuple[str, ...]:
        """The signing tokens of the account a callback names, as they were read last."""
        return self._tokens.get(account, ())

    async def asked(self, account: str) -> tuple[str, ...]:
        """The signing tokens of an account, by a read that began after this was asked; or none.

        Waits for that read, at most `ASKED_AGAIN` and as long as it takes: who was made an agent
        before this callback came is known. Raises Refused (503) when the agents' accounts cannot be
        read now: it may be genuine, and the provider asks again.
        """
        if account in self._platform:
            return self._platform[account]
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._reading:  # whoever comes meanwhile shares the next one
            if self._read_at <= asked_at:
                await asyncio.sleep(self._read_at + ASKED_AGAIN - loop.time())
                await self._read()
        if self._unread:
            raise Refused("cannot_verify", "The accounts cannot be read now.")
        return self.known(account)

    async def _reread(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._reading:
                if loop.time() - self._read_at >= ASKED_AGAIN:
                    await self._read()
            await asyncio.sleep(FRESH_FOR)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        self._read_at = loop.time()
        try:
            own = await loop.run_in_executor(None, _own_tokens)
        except Exception as error:  # whatever it is, those we know stay known
            self._postgres.failed(error)
            self._unread, own = True, self._tokens
        else:
            self._postgres.answered()
            self._unread = False
        self._tokens = own | self._platform


# While an agent has the account, what that one was given is all that counts.
_OWN: Final = text("""
    SELECT provider, credentials FROM agent WHERE credentials IS NOT NULL
    UNION ALL
    SELECT split_part(account, ':', 1), credentials FROM former_account f WHERE NOT EXISTS (
        SELECT 1 FROM agent a WHERE a.account = f.account AND a.credentials IS NOT NULL)
""")


def _own_tokens() -> dict[str, tuple[str, ...]]:
    """Signing tokens by account, of agents that have or lately had an account of their own."""
    tokens: dict[str, tuple[str, ...]] = {}
    with transaction() as connection:
        for row in connection.execute(_OWN):
            own, trouble = opened(row.credentials)
            if own is None:
                log.warning("callbacks.tokens_not_opened", reason=trouble)
                continue
            found = credentials_for(row.provider, own)
            account = account_name(row.provider, found.account)
            tokens[account] = (*tokens.get(account, ()), *found.callback_keys)
    return tokens


def _platform_tokens() -> dict[str, tuple[str, ...]]:
    """Those of the settings' own accounts: known whatever the database does."""
    tokens = {}
    for name in PROVIDERS:
        with suppress(Misconfigured):  # it has no account here
            platform = credentials_for(name, None)
            tokens[account_name(name, platform.account)] = platform.callback_keys
    return tokens
