"""A worker process: `python -m worker.app --queues send` or `--queues receipts,compose`.

Celery's solo pool: the main thread takes jobs from the broker; what keeps time runs beside it.
"""

import argparse
import gc
import os
import socket
import sys

from celery import signals

from shared.logging import configure_logging
from shared.queue.app import app
from shared.queue.topology import Queue
from worker import send, tasks

__all__ = ["main", "tasks"]

#: Seconds a warm shutdown may take: the calls in flight end within the read time-out.
STOP_WITHIN = 20.0


def main(argv: list[str] | None = None) -> None:
    """Consume the queues named on the command line until SIGTERM."""
    queues = _parser().parse_args(argv).queues.split(",")
    configure_logging("worker")
    if Queue.SEND in queues:
        _keep_time()
    # A worker that is told to stop finishes what it holds; see Engine.stop.
    worker = app.Worker(
        pool="solo",
        queues=queues,
        hostname=f"{queues[0]}-{os.getpid()}@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
    )
    worker.start()
    sys.exit(worker.exitcode)


def _keep_time() -> None:
    """This process has slots to keep: quick thread switches, no long garbage collections."""
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    engine = send.start()

    @signals.worker_shutdown.connect(weak=False)
    def _stop(**_: object) -> None:
        engine.stop(STOP_WITHIN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="worker", description=__doc__)
    parser.add_argument("--queues", required=True, help="comma list of: " + ", ".join(Queue))
    return parser


if __name__ == "__main__":
    main()
