"""Flower beside the stack: the plumbing view, on loopback and behind a password.

Without basic auth Flower shows everything to everybody; with it, /metrics and /healthcheck stay
open, which is why it never listens beyond loopback.
"""

import sys
from collections.abc import Mapping

from deploy.local import ports
from deploy.local.children import Child
from deploy.local.places import Places

USER = "volley"
PASSWORD_FILE = "flower_password"


def flower(places: Places, *, port: int, env: Mapping[str, str]) -> Child:
    """Flower on `port`. The password is made on first use and never on a command line."""
    password = places.secret(PASSWORD_FILE)
    return Child(
        role="flower",
        name="flower",
        argv=(
            *(sys.executable, "-m", "celery", "-A", "shared.queue.app", "flower"),
            *(f"--address={ports.LOOPBACK}", f"--port={port}"),
        ),
        env={**env, "FLOWER_BASIC_AUTH": f"{USER}:{password}"},
        # It keeps nothing, and before it stops it waits for an event that may not come for long.
        stop_timeout=1.0,
    )
