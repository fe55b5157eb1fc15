"""The carrier is the stop-watch of whatever is measured at it, so it must not wait for a core."""

import contextlib
import os

#: A nice value counts only within one session where Linux groups processes by session.
_NICE = -15


def prefer(pid: int) -> None:
    """Let this process run as soon as something arrives for it, as far as we may decide that.

    Otherwise a start that was written in time and read late would count against us. Real-time
    where that is allowed, else as nice as can be; with neither, the measure is a little stricter.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError, ProcessLookupError):
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, pid, _NICE)
