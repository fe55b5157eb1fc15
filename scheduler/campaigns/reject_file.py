"""The reject file of a stored upload, read once more in a process of its own, with limits.

`python -m scheduler.campaigns.reject_file CAMPAIGN_ID` writes it to its standard output. Whoever
serves strangers passes that on: the file is not read where callbacks are taken.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from scheduler.ingest import resource_limits
from shared.errors import VolleyError
from shared.logging import configure_logging

_PIECE: Final = 64 * 1024


class CutShort(VolleyError):
    """The process that read the file ended before its end."""


def read_apart(campaign_id: int) -> Iterator[bytes]:
    """The reject file, piece by piece. Raises CutShort; what was given then is not the whole."""
    command = [sys.executable, "-m", "scheduler.campaigns.reject_file", str(campaign_id)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        try:
            while piece := reader.stdout.read1(_PIECE):  # type: ignore[attr-defined]  # buffered
                yield piece
        finally:
            reader.kill()  # it has ended, or nobody listens any more
    if reader.returncode:
        raise CutShort(f"The reject file of campaign {campaign_id} could not be read to its end.")


def main(campaign_id: int) -> None:
    """Write it all."""
    from scheduler.campaigns.export import rejects_csv

    configure_logging("rejects")
    resource_limits.limit(resource_limits.Limits())
    for piece in rejects_csv(campaign_id):
        sys.stdout.buffer.write(piece.encode())
    sys.stdout.buffer.flush()
    os._exit(0)  # nothing is left to do, and no thread to wait for


if __name__ == "__main__":
    main(int(sys.argv[1]))
