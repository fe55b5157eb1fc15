"""A consumer of `compose` whose jobs last until they may end, for tests of what goes on meanwhile.

Run as `python -m tests.support.slow_worker NAME DIRECTORY [prompt]`. Job N makes the file
`DIRECTORY/begun-N` and ends when there is a file `DIRECTORY/end-N`; then there is a `done-N`.
"""

import sys
import time
from pathlib import Path

from shared.logging import configure_logging
from shared.queue.consumer import consumer
from shared.queue.handles import handles
from shared.queue.jobs import ComposeOpeners
from shared.queue.topology import Queue


def main(name: str, directory: Path, *, prompt: bool) -> int:
    """Consume until SIGTERM."""
    configure_logging("worker")

    def work(job: ComposeOpeners) -> None:
        (n,) = job.message_ids
        (directory / f"begun-{n}").touch()
        while not (directory / f"end-{n}").exists():
            time.sleep(0.02)
        (directory / f"done-{n}").touch()

    handles(ComposeOpeners, work)
    worker = consumer([Queue.COMPOSE], name=name, prompt=prompt)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), prompt="prompt" in sys.argv))
