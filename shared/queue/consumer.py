"""A Celery worker as all of ours are: under a name that lasts, watched, and not to be commanded."""

import logging
import socket
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from celery.exceptions import CPendingDeprecationWarning
from celery.worker import loops
from celery.worker.consumer import Consumer
from celery.worker.consumer import consumer as celerys
from celery.worker.control import Panel
from celery.worker.state import maybe_shutdown

from shared.logging import get_logger
from shared.outage import Outage
from shared.queue.app import app
from shared.queue.beside import Beside
from shared.queue.topology import Queue

log = get_logger(__name__)

#: Seconds between the tries to reach a broker that is away: the first, what each adds, the most.
_RECONNECT: Final = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
#: What Celery says, with a traceback, when it leaves the loop of a connection that is lost.
_CLEANUP_FAILED: Final = "Error cleaning up after event loop: %r"
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

    And a broker that is away is tried every second and told of once. Celery waits up to half a
    minute, and logs each try.
    """

    hub: Any  # Celery's loop; the stubs lack it
    _broker = Outage(log, away="broker.away", back="broker.back")

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, as soon as there is one."""
        made = conn.ensure_connection(
            lambda error, _: self._broker.failed(error), callback=maybe_shutdown, **_RECONNECT
        )
        self.first_connection_attempt = False
        self._broker.answered()
        return made

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """The connection ended while it was made."""
        self._broker.failed(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """The connection is lost: tell of it, and have Celery tidy up."""
        self._broker.failed(exc)
        with warnings.catch_warnings():  # it wants us to cancel the tasks in hand: decision 0003
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge or reject a message: `p` is its method, called with a log and the errors that
        are merely logged.
        """
        channel = p.__self__.channel
        if not hasattr(channel, "closed"):  # AMQP's own
            self._acknowledge_now(p, *args)
            return None
        if channel.closed:  # Redis takes it, by way of another connection
            return super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]
        log, _ = args
        args = (log, ())
        return super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]  # not in the stubs

    def _acknowledge_now(self, acknowledge: Any, log: Any, _: object) -> None:
        """Over AMQP at once. Celery's loop does what it is asked for at the begin of its next turn.
        What it reads there, it does after that and acknowledges a turn later: after it has waited
        in vain, for up to 2 s, for a broker that sends nothing more until this has come.
        """
        channel = acknowledge.__self__.channel
        if channel.connection is None:  # lost: the broker has put the message back in its queue
            return
        try:
            acknowledge(log, ())
        except Exception as error:  # Celery would swallow it here: out of its loop, it is heard
            self.hub.call_soon(partial(_fail, error))


def consumer(queues: Sequence[Queue], *, name: str, prompt: bool = False) -> Any:
    """A worker for these queues, to be started with `start()`, known as `name`@host.

    Its tasks run beside the main thread, which goes on to answer; with `prompt` on the main thread
    itself, which saves a hand-over and is right only for tasks that return at once.
    """
    for logger in (celerys.__name__, loops.__name__):
        logging.getLogger(logger).addFilter(_is_not_logged_already)
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


def _fail(error: Exception) -> None:
    raise error


def _is_not_logged_already(record: logging.LogRecord) -> bool:
    """Whether this is no line of Celery's about a lost connection, of which we have told."""
    told = (record.msg, *(record.args if isinstance(record.args, tuple) else ()))
    return not any(words in told for words in (celerys.CONNECTION_RETRY, _CLEANUP_FAILED))  # type: ignore[attr-defined]
