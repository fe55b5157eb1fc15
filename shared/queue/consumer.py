"""A Celery worker as all of ours are: under a name that lasts, watched, and not to be commanded."""

import socket
from collections.abc import Sequence
from typing import Any, Final

from celery.worker.consumer import Consumer
from celery.worker.control import Panel

from shared.queue.app import app
from shared.queue.beside import Beside
from shared.queue.topology import Queue

#: What a worker answers over the broker: questions that change nothing. Whoever can write to Redis
#: can ask them, so the others are not merely hidden. `hello` looks like a question and revokes
#: tasks; Celery's other questions write files or walk the whole memory.
QUESTIONS: Final = frozenset(
    {"ping", "stats", "conf", "clock", "registered", "active_queues", "query_task"}
    | {"active", "reserved", "scheduled", "revoked"}
)


class Attached(Consumer):
    """Celery's consumer, but an acknowledgement that fails ends the connection.

    Celery logs the failure and goes on, and kombu counts the message as held for as long as the
    connection lasts. With as many failures as it may hold, one for most of our workers, a worker
    asks the broker for nothing any more. A new connection counts from nothing.
    """

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge or reject a message: `p` is its method, called with a log and the errors that
        are merely logged.
        """
        if not p.__self__.channel.closed:  # else its connection is another one already
            log, _ = args
            args = (log, ())
        return super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]  # not in the stubs


def consumer(queues: Sequence[Queue], *, name: str, prompt: bool = False) -> Any:
    """A worker for these queues, to be started with `start()`, known as `name`@host.

    Its tasks run beside the main thread, which goes on to answer; with `prompt` on the main thread
    itself, which saves a hand-over and is right only for tasks that return at once.
    """
    for command in Panel.data.keys() - QUESTIONS:
        del Panel.data[command]
    return app.Worker(
        queues=[queue.value for queue in queues],
        hostname=f"{name}@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
        consumer_cls=Attached,
        **({"pool": "solo"} if prompt else {"pool": Beside, "concurrency": 1}),
    )
