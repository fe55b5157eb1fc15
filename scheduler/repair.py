"""The scheduler's child process: imports, repair loops and beat, away from the dispatcher's
interpreter.

Started and restarted by scheduler.app, which names it; ends when its parent does.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from celery import signals
from celery.beat import Scheduler, Service

from scheduler import loops, tasks
from scheduler.ingest import load
from scheduler.timetable import TIMETABLE
from shared.logging import configure_logging, get_logger
from shared.queue.app import app
from shared.queue.consumer import consumer
from shared.queue.jobs import Tick
from shared.queue.publish import task_name
from shared.queue.topology import REPAIRING

__all__ = ["main", "tasks"]

log = get_logger(__name__)


def main(name: str) -> None:
    """Consume the scheduler's queue, as `name`@host, until told to stop."""
    configure_logging("scheduler")
    stopped = threading.Event()
    _thread(lambda: loops.watch(stopped.is_set), "watch")
    _thread(lambda: _end_with(os.getppid()), "parent")
    app.conf.beat_schedule = {
        timer.name: {
            "task": task_name(Tick),
            "schedule": timer.every,
            "args": [Tick(loop=timer.name).model_dump()],
            # A tick that nobody took in time is worth nothing: the next is already there.
            "options": {
                "expires": max(2 * timer.every, 5),
                "queue": Tick.queue.value,
                "argsrepr": Tick(loop=timer.name).brief,
            },
        }
        for timer in TIMETABLE
    }
    beat = Service(app, scheduler_cls=_InMemory, max_interval=1)
    _thread(lambda: _beat(beat, stopped), "beat")
    worker = consumer(REPAIRING, name=name)
    signals.worker_shutting_down.connect(_end_imports)
    worker.start()
    stopped.set()
    beat.stop()
    sys.exit(worker.exitcode)


def _end_imports(**_: object) -> None:
    load.stopping.set()


class _InMemory(Scheduler):
    """Beat without its file: what is due is known from the timetable, and last_run is in
    Postgres.
    """


def _beat(beat: Service, stopped: threading.Event) -> None:
    """Beat ends when the broker is away; start it again."""
    while not stopped.is_set():
        try:
            beat.start(embedded_process=False)
        except Exception as error:
            log.warning("beat.failed", error=type(error).__name__)
        time.sleep(1)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _thread(run: Callable[[], None], name: str) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
