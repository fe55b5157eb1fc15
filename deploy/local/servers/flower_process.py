"""Flower's own process: the command `celery flower`, with what Flower has no option for.

Run as `python -m deploy.local.servers.flower_process` and Flower's options. See
deploy/docs/decisions/0016.
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import Any, Final

from amqp.exceptions import NotFound
from celery.events import EventReceiver
from flower import app as flower_app
from flower.events import Events
from flower.utils.broker import RabbitMQ
from flower.views import BaseHandler
from kombu.exceptions import OperationalError

from shared.logging import get_logger
from shared.outage import Outage
from shared.queue.app import app
from shared.queue.topology import Queue

log = get_logger(__name__)

#: Seconds until the broker is tried again.
AGAIN_AFTER: Final = 1.0
#: Seconds that somebody who looks at the lengths of queues waits for a RabbitMQ that is silent.
_SILENT: Final = {"connect_timeout": 2, "read_timeout": 2, "write_timeout": 2}
_PREFIX: Final = app.conf.broker_transport_options["global_keyprefix"]
#: Who waits for answers and who for events: kombu's own tables, by the queues of those who do.
_BINDINGS: Final = ("_kombu.binding.reply.celery.pidbox", "_kombu.binding.celeryev")


def main() -> None:
    """Run Flower until a signal comes."""
    # Flower's inspecting threads each hold a connection while they wait for a second one. With a
    # limit, enough of them wait for ever, and behind them the thread that captures events. Without
    # one there is no pool, hence nothing to wait for.
    app.conf.broker_pool_limit = None
    flower_app.Events = Capture
    BaseHandler.get_active_queue_names = every_queue
    RabbitMQ.queues = lengths
    forget_killed_flowers()
    app.start(["flower", *sys.argv[1:]])


class Capture(Events):  # type: ignore[misc]  # Flower has no types
    """Flower's thread that captures events; it reconnects soon after a long outage.

    Flower's own thread doubles its wait with each failure, without a limit: after an outage of ten
    minutes it sees nothing for ten more. It also asks each worker for a heartbeat. That is a
    command, and not needed: workers send one every 2 s.
    """

    def run(self) -> None:
        """Capture for ever."""
        broker = Outage(log, away="flower.deaf", back="flower.hears_again")
        while True:
            try:
                with self.capp.connection() as connection:
                    heard = {"*": self.on_event}
                    receiver = EventReceiver(connection, handlers=heard, app=self.capp)
                    broker.answered()
                    receiver.capture(limit=None, timeout=None, wakeup=False)
            except Exception as error:
                broker.failed(error)
            time.sleep(AGAIN_AFTER)


def every_queue(_: Any) -> list[str]:
    """What the broker page shows. Flower's own choice leaves a queue out while no worker consumes
    it, which is when its length matters.
    """
    return sorted(queue.value for queue in Queue)


async def lengths(_: Any, names: Iterable[str]) -> list[dict[str, Any]]:
    """How many messages wait in each of these queues of RabbitMQ. Raises when it is away.

    Flower asks its management plugin, which few have switched on, and shows no queue without it.
    """
    return await asyncio.to_thread(_declared, list(names))


def _declared(names: list[str]) -> list[dict[str, Any]]:
    found = []
    with app.connection_for_read(transport_options=_SILENT) as connection:
        for name in names:
            channel: Any = connection.channel()  # of its own: an unknown queue closes it
            try:
                messages = channel.queue_declare(name, passive=True).message_count
                channel.close()
            except NotFound:  # nobody has put anything into it yet
                messages = 0
            found.append({"name": name, "messages": messages})
    return found


def forget_killed_flowers() -> None:
    """Delete what killed Flowers left in Redis: unread lists of answers, and names.

    Answers of a living Flower may be among them: it asks again when somebody looks.
    """
    connection: Any
    with app.connection_for_write() as connection:
        if connection.transport.driver_type != "redis":
            return
        try:
            redis = connection.default_channel.client  # puts our prefix before what it deletes
            found = redis.scan_iter(f"{_PREFIX}*.reply.celery.pidbox", count=1000)
            lists = [key.decode().removeprefix(_PREFIX) for key in found]
            redis.delete(*lists, *_BINDINGS)
        except (OperationalError, *connection.connection_errors) as error:
            log.warning("flower.left_the_dead", error=type(error).__name__)


if __name__ == "__main__":
    main()
