"""The scheduler's child process: imports and repair loops, away from the dispatcher's interpreter.

Started and restarted by scheduler.app; ends when its parent does.
"""

import os
import signal
import socket
import sys
import threading
import time

from scheduler import loops, tasks
from shared.logging import configure_logging
from shared.queue.app import app
from shared.queue.topology import REPAIRING

__all__ = ["main", "tasks"]


def main() -> None:
    """Consume the scheduler's queue until told to stop."""
    configure_logging("scheduler")
    stopped = threading.Event()
    loops.Rota().start(stopped)
    parent = os.getppid()
    threading.Thread(target=lambda: _end_with(parent), name="parent", daemon=True).start()
    worker = app.Worker(
        pool="solo",
        queues=[queue.value for queue in REPAIRING],
        hostname=f"scheduler-{os.getpid()}@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
    )
    worker.start()
    stopped.set()
    sys.exit(worker.exitcode)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
