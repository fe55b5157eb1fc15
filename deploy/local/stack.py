"""The whole of Volley on one machine: `up` in this process, `running_stack` in one of its own."""

import argparse
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deploy import trouble
from deploy.local.data_dirs import facts
from deploy.local.data_dirs.data_dir import Places, places
from deploy.local.doctor.disk_room import require_room
from deploy.local.doctor.region import region
from deploy.local.doctor.servers import refuse_failed, required
from deploy.local.layout import lay_out
from deploy.local.plan import Plan, embedded
from deploy.local.readiness import api_ready
from deploy.local.roles import programs
from deploy.local.running import Stack, announce, current, withdraw
from deploy.local.servers.embedded import last_words
from deploy.local.supervisor import Stopping, Supervisor
from deploy.local.system import logs, ports
from deploy.local.system.child_process import Child, spawn, stop
from shared.errors import Refused
from shared.settings import Settings, settings, strange_names

__all__ = ["Stack", "current", "running_stack", "up"]

STOP_SECONDS = 120.0


def up(
    *,
    port: int | None = None,
    workers: int | None = None,
    schedulers: int = 1,
    carrier: bool = True,
    flower: bool = True,
    ready: Callable[[Stack], None] | None = None,
) -> None:
    """Run the stack until a signal ends it; when this returns, everything has stopped cleanly.

    Without a port it is VOLLEY_HTTP_PORT or the next free one; port 0 takes any free one. `ready`
    is called once the API answers; nothing is tended while it runs, so it returns quickly. Raises
    Refused if the stack already runs or cannot start, a server that a setting names cannot be used,
    or the port that was asked for is busy.
    """
    chosen = settings()
    _warn_of_unknown_names()
    _require_secret_key(chosen)
    ports.require_host(chosen.http_host)
    refuse_failed([region(chosen)])
    required(chosen)
    here = places(chosen.data_dir)
    require_room(here)
    servers = embedded(chosen)
    with contextlib.ExitStack() as afterwards, contextlib.suppress(Stopping):
        for server in servers:
            afterwards.callback(server.release)
        supervisor = afterwards.enter_context(Supervisor(here, say=_say))
        wanted = chosen.http_port if port is None else port
        layout = lay_out(
            wanted,
            workers=workers,
            schedulers=schedulers,
            carrier=carrier and not chosen.carrier_given,
            flower=flower,
            host=chosen.http_host,
        )
        if wanted not in {0, layout.http_port}:
            _say(_busy(wanted, layout.http_port, asked_for=port is not None))
        plan = Plan(chosen, here, layout, servers)
        _start(plan, supervisor)
        if supervisor.tend(until=api_ready(plan, say=_say)):
            _announced(plan, ready)
            supervisor.tend(until=facts.counting(plan))
            facts.count(plan)
        withdraw(here.data_dir)


@contextlib.contextmanager
def running_stack(
    *,
    data_dir: Path | None = None,
    options: Sequence[str] = ("--port=0",),
    env: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Iterator[Stack]:
    """A stack in a process of its own that answers; it stops when the block ends or we are killed.

    `options` are those of `volley up`; `env` is added to the environment. Raises Refused, with the
    reason, if it does not answer within `seconds`.
    """
    here = places(data_dir or settings().data_dir)
    child = Child(
        role="supervisor",
        name="supervisor",
        argv=(sys.executable, "-m", "deploy.local.stack", *options),
        env={**(env or {}), "VOLLEY_DATA_DIR": str(here.data_dir), "PYTHONUNBUFFERED": "1"},
        stop_timeout=STOP_SECONDS,
        death_signal=Child.stop_signal,
    )
    process = spawn(child, logs.path(here, child.name))
    try:
        yield _answering(process, here, seconds=seconds)
    finally:
        stop(process, child)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m deploy.local.stack`: what `running_stack` runs."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.stack")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--schedulers", type=int, default=1)
    parser.add_argument("--no-carrier", action="store_true")
    parser.add_argument("--no-flower", action="store_true")
    given = parser.parse_args(arguments)
    try:
        up(
            port=given.port,
            workers=given.workers,
            schedulers=given.schedulers,
            carrier=not given.no_carrier,
            flower=not given.no_flower,
        )
    except Exception as error:
        found = trouble.explain(error)
        if found is None:
            raise
        print(found.sentence, file=sys.stderr)
        return found.code
    return 0


def _start(plan: Plan, supervisor: Supervisor) -> None:
    """The servers, the newest schema, the programs."""
    from shared.db.migrate import upgrade

    for server in plan.servers:
        server.take_lock()
    supervisor.start(server.child() for server in plan.servers)
    upgrade(plan.database_url)
    supervisor.check()
    shutil.rmtree(plan.places.metrics, ignore_errors=True)  # counters begin with the stack
    plan.places.metrics.mkdir(mode=0o700)
    supervisor.start(programs(plan.places, plan.layout, env=plan.environment()))


def _announced(plan: Plan, ready: Callable[[Stack], None] | None) -> None:
    stack = plan.stack()
    announce(stack)
    for line in plan.introduction():
        _say(line)
    if ready:
        ready(stack)


def _answering(process: subprocess.Popen[bytes], here: Places, *, seconds: float) -> Stack:
    """The stack, as soon as this supervisor has announced it."""
    deadline = time.monotonic() + seconds
    while True:
        stack = current(here.data_dir)
        if stack is not None and stack.pid == process.pid:
            return stack
        if process.poll() is not None or time.monotonic() > deadline:
            words = last_words(logs.path(here, "supervisor"))
            raise Refused("stack_not_started", f"The stack did not start: {words}")
        time.sleep(0.02)


def _busy(wanted: int, found: int, *, asked_for: bool) -> str:
    """What is said of a busy port. Raises Refused when somebody asked for that very one."""
    if asked_for:
        raise Refused(
            "port_busy",
            f"Port {wanted} is busy: end what listens there, or choose another with --port. "
            f"Port {found} is free.",
        )
    return f"Port {wanted} is busy: using {found}."


def _warn_of_unknown_names() -> None:
    """Print unknown names: they may be another program's. A misspelt setting is an error."""
    for name in strange_names():
        _say(f"{name} is no setting of Volley: remove it, or rename it.")


def _require_secret_key(chosen: Settings) -> None:
    if chosen.database_url is not None and chosen.secret_key is None:
        raise Refused(
            "secret_key_missing",
            "VOLLEY_SECRET_KEY must be set with an external VOLLEY_DATABASE_URL: every machine on "
            "that database needs the same one.",
        )


def _say(line: str) -> None:
    """Print a line; go on when the terminal is gone."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
