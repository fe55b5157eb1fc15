"""A stack of real servers and idle programs, to be killed in tests.

Run as `python -m tests.support.small_stack DATA_DIR`: supervisor, Postgres, Valkey, a worker, and a
scheduler that has a child of its own. It prints "up" when all have started.
"""

import sys
from pathlib import Path

from deploy.local.data_dirs.data_dir import places
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.supervisor import Stopping, Supervisor
from deploy.local.system.child_process import Child
from shared.errors import Refused

IDLE = "import time; time.sleep(600)"
WITH_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {IDLE!r}])"


def main(data_dir: Path) -> int:
    """Run until a signal comes. 1 if it was refused, with the reason on stderr."""
    servers: list[EmbeddedServer] = [EmbeddedPostgres(data_dir), EmbeddedValkey(data_dir)]
    try:
        with Supervisor(places(data_dir)) as supervisor:
            supervisor.start(server.child() for server in servers)
            supervisor.start([_idle("worker", IDLE), _idle("scheduler", WITH_A_CHILD)])
            print("up", flush=True)
            supervisor.run()
    except Stopping:
        return 0
    except Refused as refusal:
        print(refusal.message, file=sys.stderr)
        return 1
    return 0


def _idle(role: str, program: str) -> Child:
    return Child(role=role, name=role, argv=(sys.executable, "-c", program))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
