"""The one clock: all code that needs the time of day calls it, so a search finds every use."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, timezone-aware, in UTC."""
    return datetime.now(UTC)


def unix() -> float:
    """The present instant in Unix seconds."""
    return time.time()
