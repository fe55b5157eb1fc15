"""Flower beside the stack: the plumbing view, on loopback and behind a password.

Without basic auth Flower shows everything to everybody; with it, /metrics and /healthcheck stay
open, which is why it never listens beyond loopback.
"""

import sys
from collections.abc import Mapping

from deploy.local.data_dirs.data_dir import Places
from deploy.local.system import ports
from deploy.local.system.child_process import Child

USER = "volley"
PASSWORD_FILE = "flower_password"

#: Of these it shows the latest. An idle stack makes about five a second, a busy one tens.
TASKS = 10_000
#: Names last, so this is reached only by workers run by hand, whose names hold their pids.
WORKERS = 1000
#: Seconds after which a worker that is gone is shown no more: one that is missed is seen for a day.
GONE_AFTER = 24 * 3600


def flower(places: Places, *, port: int, env: Mapping[str, str]) -> Child:
    """Flower on `port`. The password is made on first use and never on a command line."""
    password = places.secret(PASSWORD_FILE)
    return Child(
        role="flower",
        name="flower",
        argv=(
            *(sys.executable, "-m", "deploy.local.servers.flower_process"),
            *(f"--address={ports.LOOPBACK}", f"--port={port}"),
            *(f"--max-tasks={TASKS}", f"--max-workers={WORKERS}"),
            f"--purge-offline-workers={GONE_AFTER}",
            "--read-only",  # the workers would not obey anyway: do not offer what does nothing
            "--enable-events=false",  # ours send them always; asking every 5 s would be refused
            "--tasks-columns=name,args,state,received,runtime,worker,uuid",
        ),
        env={**env, "FLOWER_BASIC_AUTH": f"{USER}:{password}"},
        # It keeps nothing, and before it stops it waits for an event that may not come for long.
        stop_timeout=1.0,
    )
