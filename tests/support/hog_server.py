"""A fork server whose children have small chunks and limits, and spend what HOG says they shall.

HOG is JSON: `what` they spend as soon as all chunks before row `row` are stored; and `once`, pairs
of a row and a file, for children that do so only if they can remove the file. `limits` are those of
`effort.Limits`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scheduler.import_process import child, fork_server
from scheduler.ingest import Chunk, resource_limits
from scheduler.ingest.load import importer
from scheduler.ingest.load.chunk_writer import Lines
from scheduler.ingest.uploads import ImportJob
from tests.support import factories

CHUNK = 5
hog = json.loads(os.environ["HOG"])
lines = importer._lines


def spend(what: str) -> None:
    if what == "memory":
        bytearray(10**9)
    elif what == "time":
        while True:
            pass
    elif what == "crash":
        os.abort()
    elif what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "bug":
        raise ZeroDivisionError
    elif what == "until it is told to stop":
        assert importer.stopping.wait(60)
    else:
        time.sleep(60)


def is_due(chunk: Chunk) -> bool:
    if "once" not in hog:
        return chunk.through >= int(hog["row"])
    for row, flag in hog["once"]:
        if chunk.through >= row and Path(flag).exists():
            Path(flag).unlink()
            return True
    return False


def hogging(job: ImportJob, chunk: Chunk, agents: Sequence[int]) -> Lines:
    if is_due(chunk):
        while chunk.through > 1 + CHUNK and stored() < chunk.through - CHUNK:
            time.sleep(0.01)
        spend(hog["what"])
    return lines(job, chunk, agents)


def stored() -> int:
    return int(factories.one("SELECT max(loaded_row) AS row FROM upload").row)


if __name__ == "__main__":
    importer.CHUNK = CHUNK
    importer._lines = hogging
    child.LIMITS = resource_limits.Limits(**hog.get("limits", {}))
    fork_server.main(int(sys.argv[1]), int(sys.argv[2]))
