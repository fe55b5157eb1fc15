"""The scheduler process: the dispatch loop here, everything heavy in a child of its own."""

import argparse
import gc
import os
import signal
import subprocess
import sys
import threading
import time

from scheduler.dispatch.dispatcher import Dispatcher, run
from scheduler.dispatch.leases import Leases, own_name
from scheduler.nudges import Nudges
from shared.db.session import engine
from shared.logging import configure_logging, get_logger
from shared.queue.named import takes_name
from shared.throttle import Throttle
from shared.throttle.redis_client import redis
from shared.throttle.slot_counts import Tally

log = get_logger(__name__)

#: Seconds that giving leases back may take; without a database they run out by themselves.
_GIVE_BACK_WITHIN = 3
#: Seconds the child may take to end its import chunk.
_CHILD_STOPS_WITHIN = 20


def main(argv: list[str] | None = None) -> None:
    """Dispatch until SIGTERM or SIGINT (an ignored SIGINT, as a script's background has it, stays
    ignored).
    """
    name = _parser().parse_args(argv).name
    configure_logging("scheduler")
    stopping = threading.Event()
    nudges = Nudges(redis())
    engine()  # without a database nothing can be dispatched, ever: that is said at once

    def stop(*_: object) -> None:
        stopping.set()
        nudges.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    keeper = threading.Thread(target=_keep_child, args=(stopping, name), name="child")
    keeper.start()
    gc.collect()
    gc.freeze()
    leases = Leases(own_name())
    holder = threading.Thread(target=leases.keep, args=(stopping,), name="leases", daemon=True)
    holder.start()
    nudges.start(stopping)
    dispatcher = Dispatcher(Throttle(redis()), Tally(redis()), lambda: leases.mine)
    try:
        run(dispatcher, stopping.is_set, nudges.wait)
    finally:
        stopping.set()  # whatever ends it, the child ends with it
    holder.join(_GIVE_BACK_WITHIN)
    keeper.join()


def _keep_child(stopping: threading.Event, name: str) -> None:
    """Start the repair process, and again whenever it dies."""
    while not stopping.is_set():
        child = subprocess.Popen([sys.executable, "-m", "scheduler.background", name])
        while child.poll() is None and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            _stop(child)
        else:
            log.warning("repair.died", returncode=child.returncode)
            time.sleep(0.5)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_CHILD_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scheduler", description=__doc__)
    takes_name(parser, default=f"scheduler-{os.getpid()}")
    return parser


if __name__ == "__main__":
    main()
