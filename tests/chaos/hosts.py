"""A second host: a stack with a DATA_DIR and a hostname of its own, on the servers of a first."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.running import current
from deploy.local.system import pid_table, processes
from shared.ledger.shards import SHARDS
from tests.chaos.harness import BUDGETS, Bench, clean_environment
from tests.support.embedded import temporary_data_dir

_OPTIONS: Final = ("--workers=2", "--no-carrier", "--no-flower", "--port=0")
#: A hostname of its own, where the kernel lets us.
_NAMED: Final = ("unshare", "--uts", "sh", "-c", 'hostname volley-second && exec "$@"', "sh")


@dataclass
class Host:
    """A stack in a process of its own."""

    data_dir: Path
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """Kill all its processes, as a lost machine would: nobody says goodbye."""
        pids = [self.process.pid]
        pids += [one.pid for one in pid_table.read(self.data_dir) if processes.born(one.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def second_host(first: Bench, env: Mapping[str, str]) -> Iterator[Host]:
    """A stack beside `first`, on the servers that `env` names, with the carrier of the first."""
    kept = first.stack.data_dir
    given = {
        **os.environ,
        **clean_environment(),
        **BUDGETS,
        **env,
        "VOLLEY_SIMULATED": "1",
        "VOLLEY_TWILIO_API_URL": first.stack.carrier_url or "",
        "VOLLEY_TWILIO_ACCOUNT_SID": (kept / "carrier_account_sid").read_text().strip(),
        "VOLLEY_TWILIO_AUTH_TOKEN": (kept / "carrier_auth_token").read_text().strip(),
    }
    with temporary_data_dir() as data_dir:
        host = _started(data_dir, given)
        try:
            first.wait(lambda: current(data_dir), "the second host to answer")
            first.wait(lambda: _shares(first), "the second host to share the agents")
            yield host
        finally:
            host.process.terminate()
            host.process.wait(60)


def _started(data_dir: Path, env: Mapping[str, str]) -> Host:
    stack = [sys.executable, "-m", "deploy.local.stack", *_OPTIONS]
    named = [*_NAMED, *stack] if _may_be_named() else stack
    log = data_dir.parent / "second-host.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            named,
            env={**env, "VOLLEY_DATA_DIR": str(data_dir)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    time.sleep(0.2)
    if process.poll() is not None:
        raise AssertionError(f"the second host did not start: {log.read_text()[-500:]}")
    return Host(data_dir, process)


def _may_be_named() -> bool:
    if not shutil.which("unshare") or not shutil.which("hostname"):
        return False
    tried = subprocess.run([*_NAMED, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def _shares(first: Bench) -> bool:
    query = "SELECT count(*) FROM lease WHERE until > now() GROUP BY holder"
    with contextlib.suppress(IndexError):
        return [row[0] for row in first.rows(query)] == [SHARDS // 2] * 2
    return False
