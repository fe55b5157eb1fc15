"""Hear the nudges of `shared/throttle/nudge.py`: what has just become due is not to wait for the
dispatcher's next look.
"""

import threading
from contextlib import suppress
from functools import partial
from typing import Any

from shared.logging import get_logger
from shared.outage import Outage
from shared.throttle.slot_counts import NUDGES

log = get_logger(__name__)

#: Seconds after which a silent connection is looked at, and until one that broke is made anew.
_SILENT, _AGAIN = 15.0, 1.0


class Nudges:
    """Hears nudges in a thread of its own; the dispatch loop waits for them."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        # No Event: a signal's handler that sets one while its own thread waits may stand still.
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def start(self, stopping: threading.Event) -> None:
        """Begin to listen. Returns at once."""
        listen = partial(self._listen, stopping)
        threading.Thread(target=listen, name="nudges", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Until somebody nudges, at most so long; whether one did since the last wait."""
        return self._asleep.acquire(timeout=seconds)

    def wake(self) -> None:
        """End the wait, or the next one. For any thread, and for a signal's handler."""
        with suppress(RuntimeError):  # it is awake already
            self._asleep.release()

    def _listen(self, stopping: threading.Event) -> None:
        """No error ends the listening: meanwhile the loop looks by itself."""
        ear = Outage(log, away="nudges.not_heard", back="nudges.heard_again")
        while not stopping.is_set():
            try:
                with self._redis.pubsub() as heard:
                    heard.subscribe(NUDGES)
                    ear.answered()
                    while not stopping.is_set():
                        # The answer to the subscription wakes as well: for what went before it.
                        if heard.get_message(timeout=_SILENT):
                            self.wake()
            except Exception as error:
                ear.failed(error)
            stopping.wait(_AGAIN)
