"""The one clock. Everything that needs the time of day asks here, so tests and reviews can find
it.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, timezone-aware, in UTC."""
    return datetime.now(UTC)


def unix() -> float:
    """The present instant in Unix seconds."""
    return time.time()
