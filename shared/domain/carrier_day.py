"""The day of US carriers: it begins and ends at midnight in Los Angeles.

A sender's daily cap, set by a carrier, a provider or our operator, ends with this day.
"""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: its name in Postgres and in the IANA database
ZONE: Final = "America/Los_Angeles"

_PACIFIC: Final = ZoneInfo(ZONE)


def until_day_ends(at: datetime) -> float:
    """Seconds from `at` to the end of the carriers' day; a day may have 23 or 25 hours."""
    tomorrow = at.astimezone(_PACIFIC).date() + timedelta(days=1)
    # Aware datetimes of one zone subtract as wall clock, so go through Unix time.
    return datetime.combine(tomorrow, time(), _PACIFIC).timestamp() - at.timestamp()
