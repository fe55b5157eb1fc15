"""Free ports on loopback: the one that was asked for, the next one, or one to keep."""

import random
import socket
from collections.abc import Set
from pathlib import Path

from shared.errors import Refused

LOOPBACK = "127.0.0.1"
#: Below every system's range for outgoing connections, so that no client's local port takes ours
#: while a server is being restarted.
KEPT_PORTS = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        # As servers do: connections that linger in TIME_WAIT do not count.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def next_free(port: int, *, taken: Set[int] = frozenset()) -> int:
    """`port`, or the first free one above it. Raises Refused if the next hundred are busy."""
    for candidate in range(port, min(port + 100, 65_536)):
        if candidate not in taken and is_free(candidate):
            return candidate
    raise Refused("no_free_port", f"Ports {port} to {port + 99} are all busy: choose with --port.")


def any_free(*, taken: Set[int] = frozenset()) -> int:
    """Some free port that clients' own ports do not use."""
    for candidate in random.sample(KEPT_PORTS, 200):
        if candidate not in taken and is_free(candidate):
            return candidate
    raise Refused("no_free_port", f"No free port from {KEPT_PORTS[0]} to {KEPT_PORTS[-1]}.")


def kept(path: Path) -> int:
    """The port written in `path` if it is free; else a new one, kept there for the next start."""
    port = next(filter(is_free, _written(path)), None) or any_free()
    path.write_text(f"{port}\n")
    return port


def _written(path: Path) -> list[int]:
    try:
        return [int(path.read_text())]
    except (OSError, ValueError):
        return []
