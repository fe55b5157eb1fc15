"""The programs of the local stack, each as the child the supervisor runs."""

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deploy.local.data_dirs.data_dir import Places, kept_secret
from deploy.local.layout import Layout, address
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.servers.flower import flower
from deploy.local.system.child_process import Child
from shared.queue.topology import SENDING, TENDING, Queue
from shared.settings import Settings

#: A worker lets its calls in flight end (the fence, the read time-out, the record), the scheduler's
#: child its chunk of an import; both give up by themselves before this.
PATIENT_STOP_SECONDS = 30.0


def environment(
    settings: Settings, places: Places, layout: Layout, *, servers: Sequence[EmbeddedServer]
) -> dict[str, str]:
    """The settings the stack's programs get, on top of those the supervisor itself was given."""
    env = {
        "VOLLEY_DATA_DIR": str(places.data_dir),
        "VOLLEY_PUBLIC_URL": settings.public_url or address(layout.http_port),
        "VOLLEY_HTTP_PORT": str(layout.http_port),
        "PYTHONUNBUFFERED": "1",
        # prometheus_client's own name: where processes count together
        "PROMETHEUS_MULTIPROC_DIR": str(places.metrics),
    }
    for server in servers:
        env[server.setting] = server.url
    if layout.carrier_port is not None:
        env |= _simulator(places, layout.carrier_port)
    return env


def programs(places: Places, layout: Layout, *, env: Mapping[str, str]) -> list[Child]:
    """The stack's own programs, in the order they start. `env` is what `environment` made."""
    children = []
    if layout.carrier_port is not None:
        children.append(_carrier(layout.carrier_port, env))
    children.append(_program("api", "scheduler.http", env=env))
    children += [_scheduler(n, env) for n in range(1, layout.schedulers + 1)]
    for n in range(1, layout.workers + 1):
        children.append(_worker(f"worker-{n}", SENDING, node=f"worker-{n}", env=env))
    children.append(_worker("worker-tending", TENDING, node="receipts-1", env=env))
    if layout.flower_port is not None:
        children.append(flower(places, port=layout.flower_port, env=env))
    return children


def _carrier(port: int, env: Mapping[str, str]) -> Child:
    """The simulator. Its token comes by the environment: a command line is everybody's to read."""
    words = (f"--port={port}", f"--account-sid={env['VOLLEY_TWILIO_ACCOUNT_SID']}")
    token = {"VOLLEY_CARRIER_AUTH_TOKEN": env["VOLLEY_TWILIO_AUTH_TOKEN"]}
    return _program("carrier", "deploy.simulators.twilio", *words, env={**env, **token})


def _scheduler(n: int, env: Mapping[str, str]) -> Child:
    patient = _program("scheduler", "scheduler.app", f"--name=scheduler-{n}", env=env)
    name = "scheduler" if n == 1 else f"scheduler-{n}"
    return replace(patient, name=name, stop_timeout=PATIENT_STOP_SECONDS)


def _worker(name: str, queues: Sequence[Queue], *, node: str, env: Mapping[str, str]) -> Child:
    words = (f"--name={node}", "--queues", ",".join(queues))
    return Child(
        role="worker",
        name=name,
        argv=(sys.executable, "-m", "worker.app", *words),
        env=env,
        stop_timeout=PATIENT_STOP_SECONDS,
    )


def _program(role: str, module: str, *words: str, env: Mapping[str, str]) -> Child:
    return Child(role=role, name=role, argv=(sys.executable, "-m", module, *words), env=env)


def _simulator(places: Places, port: int) -> dict[str, str]:
    """The simulator's account, as the programs' settings name a real one; and that it is none.

    All of them, the API key too: what is left of a real account's settings mixes with nothing.
    """
    account = kept_secret(
        places.data_dir / "carrier_account_sid", make=lambda: "AC" + secrets.token_hex(16)
    )
    token = places.secret("carrier_auth_token")
    return {
        "VOLLEY_SIMULATED": "1",
        "VOLLEY_TWILIO_API_URL": address(port),
        "VOLLEY_TWILIO_ACCOUNT_SID": account,
        "VOLLEY_TWILIO_AUTH_TOKEN": token,
        "VOLLEY_TWILIO_API_KEY": account,
        "VOLLEY_TWILIO_API_SECRET": token,
    }
