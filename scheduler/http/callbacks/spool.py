"""Callbacks on disk while Postgres is away: answered with 2xx, so they must not be lost.

One file for each group, written and fsynced before the answer, stored and removed when the database
is back. A crash between the two stores a group twice, which changes nothing: receipts only raise.
"""

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from shared.ledger.callbacks import CallbackRow
from shared.logging import get_logger
from shared.providers.accounts import account_name
from shared.providers.registry import provider_named

log = get_logger(__name__)

_READY = ".callbacks"


class Spool:
    """A directory on a volume that outlives the process. Several processes may share it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, callbacks: Sequence[CallbackRow]) -> None:
        """Durable when it returns. Raises OSError: then they could not be kept."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        final = self._directory / f"{uuid.uuid4().hex}{_READY}"
        written = final.with_suffix(".part")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for kept in callbacks:
                    file.write(orjson.dumps(asdict(kept), option=orjson.OPT_APPEND_NEWLINE))
                file.flush()
                os.fsync(file.fileno())
            written.rename(final)
        except OSError:
            written.unlink(missing_ok=True)
            raise
        _fsync(self._directory)

    def waiting(self) -> bool:
        """Whether anything is left to store."""
        return next(self._directory.glob(f"*{_READY}"), None) is not None

    def drain(self, store: Callable[[list[CallbackRow]], None]) -> int:
        """Hand every group to `store`, and forget it once that has returned; returns callbacks.

        A group that `store` cannot take raises as it does, and stays.
        """
        total = 0
        for file in sorted(self._directory.glob(f"*{_READY}")):
            mine = file.with_suffix(f".{os.getpid()}")
            try:
                file.rename(mine)
            except FileNotFoundError:
                continue  # another process took it
            try:
                group = [_read(line) for line in mine.read_bytes().splitlines()]
                store(group)
            except BaseException:
                mine.rename(file)
                raise
            mine.unlink()
            total += len(group)
        if total:
            log.info("callbacks.spool_drained", callbacks=total)
        return total

    def adopt(self) -> None:
        """Take up groups that a process held when it died. Called at the start."""
        for file in self._directory.glob("*.[0-9]*"):
            if not Path(f"/proc/{file.suffix[1:]}").exists():
                file.rename(file.with_suffix(_READY))


def _read(line: bytes) -> CallbackRow:
    fields: dict[str, Any] = orjson.loads(line)
    token = fields["token"]
    if "account" not in fields:  # of a version before 0002; what it kept it had verified
        fields["account"] = _account(fields["provider"], fields["raw"])
    return CallbackRow(**fields | {"token": uuid.UUID(token) if token else None})


def _account(provider: str, raw: str) -> str:
    """The account that a callback names in its body."""
    kind = "application/json" if raw.startswith("{") else ""
    account = provider_named(provider).reports().account_of({"content-type": kind}, raw.encode())
    return account_name(provider, account)


def _fsync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
