"""`python -m scheduler.api`: the HTTP API as a process."""

import gc
import resource
import sys
from dataclasses import replace
from typing import Final

import uvicorn

from scheduler.api.app import create_app
from scheduler.api.connections import Bounds, Connections, guarded
from shared.logging import configure_logging
from shared.settings import settings

#: An open event stream would hold a stop up for ever.
_GRACE_SECONDS: Final = 3
#: File descriptors for everything that is no client's connection.
_OTHER_FILES: Final = 200


def main() -> None:
    """Serve until a signal comes."""
    configure_logging("api")
    app = create_app()
    _stay_prompt()
    uvicorn.run(
        app,
        host=settings().http_host,
        port=settings().http_port,
        http=guarded(Connections(_bounds())),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the app reads them itself
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _bounds() -> Bounds:
    """As many connections as there may be, or as this process has file descriptors for."""
    most = Bounds()
    needed = 2 * most.connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = needed if soft == resource.RLIM_INFINITY else soft
    return replace(most, connections=min(most.connections, (files - _OTHER_FILES) // 2))


def _stay_prompt() -> None:
    """See to it that callbacks wait neither for a busy thread nor for the garbage collector.

    The collector goes by the number of living objects, and callbacks in hand are many: it looked
    a hundred times a second, through all that was imported, and found nothing.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()  # what was imported stays
    gc.set_threshold(20_000, 10, 10)


if __name__ == "__main__":
    main()
