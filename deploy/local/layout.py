"""What of the stack runs on this machine, and on which ports of loopback."""

import os
from dataclasses import dataclass

from deploy.local.system import ports

FLOWER_PORT = 5555
CARRIER_PORT = 4010


@dataclass(frozen=True)
class Layout:
    """How many workers and schedulers, who listens where; a port of None means: not run."""

    http_port: int
    workers: int
    carrier_port: int | None
    flower_port: int | None
    schedulers: int = 1


def lay_out(
    port: int,
    *,
    workers: int | None,
    carrier: bool,
    flower: bool,
    schedulers: int = 1,
    host: str = ports.LOOPBACK,
) -> Layout:
    """Choose ports: the API's as asked or the next free one; 0 lets all of them be any free one.

    The API listens on `host`, the others on loopback.

    `workers` None means one sending process per core: several small ones beat one wide.
    """
    taken: set[int] = set()

    def choose(wanted: int, host: str = ports.LOOPBACK) -> int:
        found = ports.next_free(wanted, taken=taken, host=host) if port else None
        chosen = found or ports.any_free(taken=taken)
        taken.add(chosen)
        return chosen

    return Layout(
        http_port=choose(port, host),
        workers=max(1, os.cpu_count() or 1) if workers is None else workers,
        carrier_port=choose(CARRIER_PORT) if carrier else None,
        flower_port=choose(FLOWER_PORT) if flower else None,
        schedulers=schedulers,
    )


def address(port: int) -> str:
    """The HTTP address of a port on loopback."""
    return f"http://{ports.LOOPBACK}:{port}"
