"""Make a Celery worker: it has a stable name, sends events, and obeys no remote command."""

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

#: Seconds between attempts to reconnect to the broker: first, added by each, most.
_RECONNECT: Final = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
#: Celery logs this, with a traceback, when a lost connection ends its loop.
_LOOP_END_LINE: Final = "Error cleaning up after event loop: %r"
#: The remote commands that a worker answers: they change nothing. Everybody who can write to Redis
#: can send commands, so all others are removed. `hello` looks like a question but revokes tasks;
#: Celery's other questions write files or walk the whole memory.
QUESTIONS: Final = frozenset(
    {"ping", "stats", "conf", "clock", "registered", "active_queues", "query_task"}
    | {"active", "reserved", "scheduled", "revoked"}
)


class Attached(Consumer):
    """Celery's consumer, but a failed acknowledgement ends the connection.

    Celery logs the failure and continues, and kombu counts the message as unacknowledged until the
    connection ends. When that count reaches the prefetch limit, which is one for most of our
    workers, the worker takes no further message. A new connection starts from zero.

    It also retries a missing broker every second and logs the outage once. Celery waits up to half
    a minute and logs each attempt.
    """

    hub: Any  # Celery's loop; the stubs lack it
    _broker = Outage(log, away="broker.away", back="broker.back")

    def ensure_connected(self, conn: Any) -> Any:
        """The connection; waits until the broker accepts one."""
        made = conn.ensure_connection(
            lambda error, _: self._broker.failed(error), callback=maybe_shutdown, **_RECONNECT
        )
        self.first_connection_attempt = False
        self._broker.answered()
        return made

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Log a connection that failed during its set-up."""
        self._broker.failed(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Log the lost connection, and let Celery clean up."""
        self._broker.failed(exc)
        with warnings.catch_warnings():  # Celery advises to cancel running tasks: decision 0003
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge or reject a message. `p` is the message's method; its arguments are a logger
        and the errors that it only logs.
        """
        channel = p.__self__.channel
        if not hasattr(channel, "closed"):  # AMQP's own
            self._acknowledge_now(p, *args)
            return None
        if channel.closed:  # Redis accepts it over another connection
            return super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]
        log, _ = args
        args = (log, ())
        return super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]  # not in the stubs

    def _acknowledge_now(self, acknowledge: Any, log: Any, _: object) -> None:
        """Acknowledge at once over AMQP. Celery's loop would acknowledge one turn later, and before
        that it waits up to 2 s for a broker that sends nothing until the acknowledgement arrives.
        """
        channel = acknowledge.__self__.channel
        if channel.connection is None:  # lost: the broker has put the message back in its queue
            return
        try:
            acknowledge(log, ())
        except Exception as error:  # Celery swallows it here; from its loop it ends the connection
            self.hub.call_soon(partial(_fail, error))


def consumer(queues: Sequence[Queue], *, name: str, prompt: bool = False) -> Any:
    """A worker for these queues, named `name`@host. Start it with `start()`.

    Its tasks run in a second thread, so that the main thread can answer. With `prompt` they run on
    the main thread: that saves a thread switch, and suits only tasks that return at once.
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
    """False for Celery's lines about a lost connection: `Attached` logs that once."""
    told = (record.msg, *(record.args if isinstance(record.args, tuple) else ()))
    return not any(words in told for words in (celerys.CONNECTION_RETRY, _LOOP_END_LINE))  # type: ignore[attr-defined]
