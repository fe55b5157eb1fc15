"""Import a campaign's file in a child process: what the file does to it, it does to nobody else.

A child that ran into its own limits is followed by another, since more may have been asked of the
machine than the file asks for. One that meets them again at the same chunk ends the import. A child
that was killed proves nothing about its file.
"""

from typing import Final

from scheduler.import_process import protocol
from scheduler.import_process.parent import Busy, Nursery
from scheduler.ingest import uploads
from scheduler.ingest.load.importer import stopping
from scheduler.ingest.load.turns import Turn
from scheduler.ingest.resource_limits import MIB, MOST_MEMORY, SECONDS_A_MEBIBYTE
from shared.db.session import transaction
from shared.errors import Refused
from shared.logging import get_logger

__all__ = ["Busy", "load", "start"]

log = get_logger(__name__)

_nursery = Nursery()

#: Have the fork server ready, for the first file not to wait for it.
start = _nursery.start


def load(campaign_id: int, turn: Turn | None = None, *, patience: float | None = None) -> bool:
    """Import the campaign's file, if nobody else is at it; False when somebody is, or it is done,
    or it is left to another since this process is to end or its `turn` is over, or the child was
    killed.

    Raises Refused, and then the campaign is cancelled with the reason: a file that cannot be read,
    or that costs too much. Raises LeaseLost, OperationalError, ImportFailed, and Busy as
    `Nursery.run`.
    """
    met_at: int | None = None
    while not stopping.is_set():
        ended = _nursery.run(campaign_id, turn, patience=patience)
        if "error" in ended.said:
            raise protocol.raised(ended.said)
        if "whole" in ended.said:
            return bool(ended.said["whole"])
        known = {"campaign_id": campaign_id, "pid": ended.pid}
        if not ended.leased:
            log.warning("import.killed", **known)
            return False
        with transaction() as connection:
            row = uploads.give_up(connection, campaign_id)
        if not ended.limit or row is None:
            log.warning("import.killed", **known)
            return False
        log.warning("import.limited", limit=ended.limit, row=row, **known)
        if row == met_at:
            raise _ended(campaign_id, ended.limit, row)
        met_at = row
    return False


def _ended(campaign_id: int, limit: str, row: int) -> Refused:
    """Cancel the campaign; what is to be raised."""
    where = f"behind row {row:,}" if row else "at its start"
    reason = f"The file {_CANNOT[limit]}, twice, {where}. {_FIX}"
    with transaction() as connection:
        uploads.refuse(connection, campaign_id, reason)
    return Refused("file_too_costly", reason, details={"limit": limit, "row": row})


_CANNOT: Final = {
    "memory": f"took more than {MOST_MEMORY // MIB} MiB of memory to read",
    "time": f"took more than {SECONDS_A_MEBIBYTE} s of processor time for a mebibyte",
    "crash": "made its reader crash",
}
_FIX: Final = "Look at its rows there: shorten the longest cells, or save it anew as plain CSV."
