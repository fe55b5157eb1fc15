"""A fork server whose children have small chunks and limits, and spend what HOG says they shall.

HOG is JSON: `what` they spend, at the chunk that holds row `row`; `once`: a file, without which
they do nothing, and which the first of them removes. `limits` as in `effort.Limits`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from scheduler.apart import child, server
from scheduler.ingest import effort, load

hog = json.loads(os.environ["HOG"])
lines = load._lines


def spend():
    if "once" in hog:
        try:
            Path(hog["once"]).unlink()
        except FileNotFoundError:
            return
    if hog["what"] == "memory":
        bytearray(10**9)
    elif hog["what"] == "time":
        while True:
            pass
    elif hog["what"] == "crash":
        os.abort()
    elif hog["what"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif hog["what"] == "bug":
        raise ZeroDivisionError
    else:
        time.sleep(60)


def hogging(job, chunk, agents):
    if chunk.through >= hog["row"]:
        spend()
    return lines(job, chunk, agents)


if __name__ == "__main__":
    load.CHUNK = 5
    load._lines = hogging
    child.LIMITS = effort.Limits(**hog.get("limits", {}))
    server.main(int(sys.argv[1]), int(sys.argv[2]))
