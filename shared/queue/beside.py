"""A Celery pool that runs tasks in one thread beside the main thread, one task at a time.

Celery's solo pool runs a task on the main thread. That thread then sends no heartbeat and answers
no question until the task ends, so a long import looks like a dead worker. This pool moves only the
task to another thread. All work with the broker (accept, acknowledge, events) stays on the main
thread, because kombu's channels and Celery's state are not thread-safe. The worker acknowledges a
task after it has run, as with the solo pool.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from celery.concurrency.base import BasePool, apply_target

from shared.logging import get_logger

log = get_logger(__name__)

#: Seconds that a warm stop waits for the running task. Its message is acknowledged only at its end,
#: so another worker gets it when this one is killed first.
STOP_WITHIN: Final = 15.0


class Beside(BasePool):
    """One thread for tasks. Give it to a worker as `pool=Beside, concurrency=1`."""

    body_can_be_buffer = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._callbacks: deque[Callable[[], object]] = deque()
        # A socket wakes the loop at once. The loop's own call_soon runs a callback before it polls
        # and the acknowledgement that the callback asks for after it: up to a second later.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._loop: Any = None
        self._thread = threading.Thread(target=self._run, name="tasks", daemon=True)

    def on_start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Take the main thread's loop: Celery calls this at the start and after a reconnect."""
        self._loop = loop
        loop.add_reader(self._wake_reader, self._on_wake)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callback: Callable[..., object],
        accept_callback: Callable[..., object],
        **_: Any,
    ) -> None:
        """Run the task after all earlier ones. Both callbacks run on the main thread."""
        if self._loop is None:  # a broker that Celery serves without an event loop
            apply_target(target, args, kwargs, callback, accept_callback)
            return
        task = partial(
            apply_target,
            target,
            args,
            kwargs,
            callback=partial(self._call_on_main_thread, callback),
            accept_callback=partial(self._call_on_main_thread, accept_callback),
        )
        self._tasks.put(task)

    def flush(self) -> None:
        """Drop the waiting tasks after a lost connection: they cannot be acknowledged any more, and
        the broker delivers them again.
        """
        try:
            while True:
                self._tasks.get_nowait()
        except Empty:
            pass

    def on_stop(self) -> None:
        """Wait for the running task, then acknowledge it to the broker."""
        self.flush()
        self._tasks.put(None)
        self._thread.join(STOP_WITHIN)
        self._run_callbacks()
        if self._thread.is_alive():
            log.warning("tasks.still_running", seconds=STOP_WITHIN)
            return
        if self._loop is not None:
            self._loop.remove_reader(self._wake_reader)
        self._wake_reader.close()
        self._wake_writer.close()

    def _run(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                task()
        except BaseException as error:
            # A process that takes tasks and runs none is worse than none: restart it.
            log.exception("tasks.died", error=type(error).__name__)
            os._exit(1)

    def _call_on_main_thread(self, callback: Callable[..., object], *arguments: object) -> None:
        self._callbacks.append(partial(callback, *arguments))
        with suppress(BlockingIOError):  # the buffer is full, so the loop wakes anyway
            self._wake_writer.send(b"!")

    def _on_wake(self) -> None:
        with suppress(BlockingIOError):
            self._wake_reader.recv(4096)
        self._run_callbacks()

    def _run_callbacks(self) -> None:
        while self._callbacks:
            self._callbacks.popleft()()

    def _get_info(self) -> dict[str, Any]:
        return {"implementation": "one thread", "max-concurrency": 1, "processes": [os.getpid()]}
