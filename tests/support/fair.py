"""A small ASGI app behind the API's protocol, on a free port, with bounds of the test's choice."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from scheduler.http.connections import Bounds, Connections
from scheduler.http.pipelines import fair


@contextmanager
def serving(app: Any, **bounds: Any) -> Iterator[tuple[str, int]]:
    """Gives its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    connections = Connections(Bounds(**{"grace": 0.0} | bounds))
    config = uvicorn.Config(app, http=fair(connections), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.config.timeout_keep_alive = 60  # the bounds close here, not the server
    server.config.timeout_graceful_shutdown = 1  # what a test leaves unanswered is not waited for
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
