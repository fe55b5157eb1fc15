"""`python -m scheduler.api`: the HTTP API as a process."""

from typing import Final

import uvicorn

from scheduler.api.app import create_app
from shared.logging import configure_logging
from shared.settings import settings

#: An open event stream would hold a stop up for ever.
_GRACE_SECONDS: Final = 3


def main() -> None:
    """Serve until a signal comes."""
    configure_logging("api")
    uvicorn.run(
        create_app(),
        host=settings().http_host,
        port=settings().http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
