"""One import in a process of its own, forked by `server`, which ends with it."""

import os
import socket
import threading
from contextlib import suppress
from typing import Final, NoReturn

from scheduler.import_process import protocol
from scheduler.ingest import resource_limits
from scheduler.ingest.load import importer
from scheduler.ingest.load.turns import Turn
from shared.logging import get_logger
from shared.opaque import Json

log = get_logger(__name__)

#: What this process may cost.
LIMITS = resource_limits.Limits()
_NO_THREAD: Final = "can't start new thread"


def main(campaign_id: int, parent: socket.socket) -> NoReturn:
    """Import the campaign's file and tell the parent what became of it."""
    try:
        turn = protocol.hear_turn(parent)
        resource_limits.limit(LIMITS)
        threading.Thread(target=_listen, args=(parent,), daemon=True).start()
        said = _imported(campaign_id, turn, parent)
        resource_limits.lift()
        protocol.say(parent, **said)
    except MemoryError:
        resource_limits.lift()
        protocol.say(parent, limit="memory")
    finally:
        os._exit(0)


def _imported(campaign_id: int, turn: Turn | None, parent: socket.socket) -> Json:
    try:
        whole = importer.load(campaign_id, turn, leased=lambda: protocol.say(parent, leased=True))
        return {"whole": whole}
    except MemoryError:
        return {"limit": "memory"}
    except Exception as error:
        if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
            return {"limit": "memory"}  # its stack had no place
        said = protocol.told(error)
        if said["error"] == "bug":
            log.exception("import.failed", campaign_id=campaign_id, error=type(error).__name__)
        return said


def _listen(parent: socket.socket) -> None:
    """End behind the chunk in hand when the parent says so, or is no more."""
    with suppress(OSError):
        parent.recv(1)
    importer.stopping.set()
