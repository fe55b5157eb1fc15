"""What goes away and comes back, a broker say, is told of twice and not at each try."""

import threading
import time
from typing import Any


class Outage:
    """One line in the log when something stops to answer, one when it does again.

    For whoever asks again and again. Any thread may tell.
    """

    def __init__(self, log: Any, *, away: str, back: str) -> None:
        """`away` and `back` are the events that are logged."""
        self._log, self._away, self._back = log, away, back
        self._lock = threading.Lock()
        self._since: float | None = None
        self._failures = 0

    def failed(self, error: BaseException, **details: object) -> bool:
        """It did not answer; whether that is news. `details` is logged with the first failure."""
        with self._lock:
            self._failures += 1
            news = self._since is None
            if news:
                self._since = time.monotonic()
        if news:
            self._log.warning(self._away, error=type(error).__name__, **details)
        return news

    def answered(self) -> None:
        """It answers."""
        if self._since is None:  # looked at without the lock, since this is nearly always so
            return
        with self._lock:
            since, self._since = self._since, None
            failures, self._failures = self._failures, 0
        if since is not None:
            seconds = round(time.monotonic() - since, 1)
            self._log.warning(self._back, seconds=seconds, failures=failures)
