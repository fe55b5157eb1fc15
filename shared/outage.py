"""Log an outage twice, at its start and at its end, instead of once for each failed try."""

import threading
import time
from typing import Any


class Outage:
    """One log line when a server stops answering, one when it answers again.

    For loops that retry. Safe from any thread.
    """

    def __init__(self, log: Any, *, away: str, back: str) -> None:
        """`away` and `back` are the log events of the start and the end."""
        self._log, self._away, self._back = log, away, back
        self._lock = threading.Lock()
        self._since: float | None = None
        self._failures = 0

    def failed(self, error: BaseException, **details: object) -> bool:
        """Record a failure; returns whether it is the first, which is logged with `details`."""
        with self._lock:
            self._failures += 1
            news = self._since is None
            if news:
                self._since = time.monotonic()
        if news:
            self._log.warning(self._away, error=type(error).__name__, **details)
        return news

    def answered(self) -> None:
        """Record an answer: the outage, if there was one, has ended."""
        if self._since is None:  # looked at without the lock, since this is nearly always so
            return
        with self._lock:
            since, self._since = self._since, None
            failures, self._failures = self._failures, 0
        if since is not None:
            seconds = round(time.monotonic() - since, 1)
            self._log.warning(self._back, seconds=seconds, failures=failures)
