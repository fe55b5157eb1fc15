"""The simulated Twilio to start and stop: in a thread for tests, or as the whole process."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.simulators.kit import running
from deploy.simulators.twilio.accounts import DEFAULT_SID, Account, new_token
from deploy.simulators.twilio.controls import ScriptFile
from deploy.simulators.twilio.routes import Router

SCRIPT = Mapping[str, Any] | Path | None


def run(
    *, port: int = 0, seed: int = 0, script: SCRIPT = None, account_sid: str = DEFAULT_SID,
    auth_token: str | None = None, ready: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Be the carrier until a signal asks for the end. `ready` is told the port once it listens.

    Raises OSError when the port is taken, and OSError or pydantic.ValidationError for the script.
    """
    account = Account(account_sid, auth_token or new_token())
    read = _read(script)
    running.run(lambda: Router(account, read, seed), port=port, ready=ready)


class Carrier(running.InThread):
    """A carrier in a thread of this process: `with Carrier() as carrier: carrier.url`."""

    def __init__(
        self, *, port: int = 0, seed: int = 0, script: SCRIPT = None,
        account_sid: str = DEFAULT_SID, auth_token: str | None = None,
    ) -> None:  # fmt: skip
        self.account_sid = account_sid
        self.auth_token = auth_token or new_token()
        self._seed = seed
        self._script = _read(script)
        super().__init__(self._router, port=port, name="carrier")

    def _router(self) -> Router:
        return Router(Account(self.account_sid, self.auth_token), self._script, self._seed)


def _read(script: SCRIPT) -> ScriptFile:
    if script is None:
        return ScriptFile()
    if isinstance(script, Path):
        return ScriptFile.read(script)
    return ScriptFile.model_validate(script)
