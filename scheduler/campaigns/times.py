"""When a campaign starts and when it is too late for it: what cannot be met is refused.

Times are judged once, when they are given. A start that passes while the campaign is still being
imported, or before anybody launches it, is no mistake: launching it then starts it at once.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from shared import clock
from shared.errors import Refused


def _in_utc(given: datetime) -> datetime:
    """The same instant in UTC: written with another offset it is the same setting."""
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise ValueError("This instant is outside the years 1 to 9999 in UTC.") from None


#: An instant as people give it, with any offset from UTC.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def refuse_past_times(*, scheduled_at: datetime | None, send_before: datetime | None) -> None:
    """Raises Refused: past_schedule, deadline_before_start or send_before_past."""
    if scheduled_at is not None and scheduled_at < clock.now():
        raise Refused(
            "past_schedule",
            f"'scheduled_at' has passed, it is {_told(clock.now())} here: give a later one, or "
            "leave it out and launch when it shall start.",
        )
    refuse_deadline(send_before, scheduled_at=scheduled_at)


def refuse_deadline(send_before: datetime | None, *, scheduled_at: datetime | None) -> None:
    """Raises Refused for a deadline by which nothing could be sent: every message would expire.

    deadline_before_start: it does not lie after the start; send_before_past: it has passed.
    """
    if send_before is None:
        return
    if scheduled_at is not None and send_before <= scheduled_at:
        raise Refused(
            "deadline_before_start",
            f"'send_before' is not after 'scheduled_at', {_told(scheduled_at)}, so nothing would "
            "be sent: give a later one, or none.",
        )
    if send_before <= clock.now():
        raise Refused(
            "send_before_past",
            f"'send_before' has passed, it is {_told(clock.now())} here, so nothing would be "
            "sent: give a later one, or none.",
        )


def _told(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
