"""A worker process: `python -m worker.app --queues send` or `--queues receipts,compose`.

The main thread takes jobs from the broker. The sending engine and long tasks run in other threads.
"""

import argparse
import gc
import os
import sys

from celery import signals

from shared.db.session import engine as database
from shared.logging import configure_logging
from shared.queue.consumer import consumer
from shared.queue.named import takes_name
from shared.queue.topology import Queue
from shared.throttle.redis_client import redis
from worker import tasks
from worker.send import deliver

__all__ = ["main", "tasks"]

#: Seconds a warm shutdown may take: the calls in flight end within the read time-out.
STOP_WITHIN = 20.0


def main(argv: list[str] | None = None) -> None:
    """Consume the queues named on the command line until SIGTERM."""
    given = _parser().parse_args(argv)
    configure_logging("worker")
    sending = Queue.SEND in given.queues
    _require_settings(sending=sending)
    if sending:
        _start_engine()
    # A stopping worker finishes its running task and calls; see Engine.stop and Beside.on_stop.
    worker = consumer(given.queues, name=given.name, prompt=sending)
    worker.start()
    sys.exit(worker.exitcode)


def _require_settings(*, sending: bool) -> None:
    """Raises Misconfigured, before any thread starts, for a setting that every job needs."""
    if sending:
        redis()
    database()


def _start_engine() -> None:
    """Start the engine, with quick thread switches and short garbage collections for its slots."""
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    engine = deliver.start()

    @signals.worker_shutdown.connect(weak=False)
    def _stop(**_: object) -> None:
        engine.stop(STOP_WITHIN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="worker", description=__doc__)
    words = ", ".join(Queue)
    parser.add_argument("--queues", required=True, type=_queues, help=f"comma list of: {words}")
    takes_name(parser, default=f"worker-{os.getpid()}")
    return parser


def _queues(words: str) -> list[Queue]:
    unknown = set(words.split(",")) - set(Queue)
    if unknown:
        known = ", ".join(Queue)
        raise argparse.ArgumentTypeError(f"no such queue: {', '.join(unknown)}; use {known}")
    return [Queue(word) for word in words.split(",")]


if __name__ == "__main__":
    main()
