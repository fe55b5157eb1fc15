"""Free ports on loopback: the one that was asked for, the next one, or one to keep."""

import contextlib
import random
import socket
from collections.abc import Set
from pathlib import Path

from shared.errors import Refused

LOOPBACK = "127.0.0.1"
#: Below every system's range for outgoing connections, so that no client's local port takes ours
#: while a server is being restarted.
KEPT_PORTS = range(20_000, 30_000)


def require_host(host: str) -> None:
    """Raises Refused unless a server that listens there is also found on loopback, by the stack."""
    try:
        with _bound(host, 0) as server:
            server.listen(1)
            port = server.getsockname()[1]
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
                return
    except (OSError, ValueError) as error:
        raise Refused(
            "no_such_host",
            f"VOLLEY_HTTP_HOST: {host} is no address of this machine: set it to {LOOPBACK}, or to "
            "0.0.0.0 for all of its addresses.",
        ) from error
    raise Refused(
        "host_not_on_loopback",
        f"VOLLEY_HTTP_HOST: the stack would not find the API at {host}: set it to {LOOPBACK}, or "
        "to 0.0.0.0 for all of this machine's addresses.",
    )


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port now. Raises Refused where only root may."""
    try:
        _bound(host, port).close()
    except PermissionError as error:
        raise Refused(
            "port_forbidden",
            f"Port {port} is root's: choose one from 1024 with --port or VOLLEY_HTTP_PORT.",
        ) from error
    except OSError:
        return False
    return True


def next_free(port: int, *, taken: Set[int] = frozenset(), host: str = LOOPBACK) -> int:
    """`port`, or the first free one above it. Raises Refused if the next hundred are busy."""
    candidates = range(port, min(port + 100, 65_536))
    for candidate in candidates:
        if candidate not in taken and is_free(candidate, host):
            return candidate
    raise Refused(
        "no_free_port", f"Ports {port} to {candidates[-1]} are all busy: choose with --port."
    )


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


def _bound(host: str, port: int) -> socket.socket:
    """A socket bound as a server's is. Raises OSError or ValueError if it cannot be."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    made = socket.socket(family, kind)
    try:
        # Connections that linger in TIME_WAIT do not count.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
