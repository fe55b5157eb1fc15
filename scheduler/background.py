"""The scheduler's child process: imports and repair loops, away from the dispatcher's interpreter.

Started and restarted by scheduler.app, which names it; ends when its parent does.
"""

import os
import signal
import sys
import threading
import time

from celery import signals

from scheduler import loops, tasks
from scheduler.ingest.load import importer
from shared.db.session import engine
from shared.logging import configure_logging
from shared.queue.consumer import consumer
from shared.queue.topology import REPAIRING

__all__ = ["main", "tasks"]


def main(name: str) -> None:
    """Consume the scheduler's queue, as `name`@host, until told to stop."""
    configure_logging("scheduler")
    engine()  # without a database no loop can ever run: it must fail at the start
    stopped = threading.Event()
    loops.Rota().start(stopped)
    parent = os.getppid()
    threading.Thread(target=lambda: _end_with(parent), name="parent", daemon=True).start()
    worker = consumer(REPAIRING, name=name)
    signals.worker_shutting_down.connect(_end_imports)
    worker.start()
    stopped.set()
    sys.exit(worker.exitcode)


def _end_imports(**_: object) -> None:
    importer.stopping.set()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
