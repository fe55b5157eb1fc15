"""Whole stacks for benchmarks: agents by the thousand, one campaign, and what it all costs."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import Engine, text

from deploy.demo.run import Api
from deploy.local.running import Stack
from deploy.local.stack import running_stack
from deploy.local.system import pid_table
from shared.db.session import connect
from shared.settings import Settings
from tests.benchmarks.processes import cpu_of_tree
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

_AGENTS = text("""
    WITH made AS (
        INSERT INTO agent (id, provider, rate, account, status)
        SELECT 'agent-' || n, 'twilio', CAST(:rate AS float), CAST(:account AS text), 'active'
        FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n RETURNING key, id
    )
    INSERT INTO sender (agent_key, number)
    SELECT key, '+1500' || lpad(substr(id, 7), 7, '0') FROM made
""")
MESSAGE = "Hi {name}, your appointment is on Monday at ten. Reply STOP to opt out."


@dataclass(frozen=True)
class Stage:
    """A running stack and its database."""

    stack: Stack
    api: Api
    engine: Engine

    def agents(self, first: int, last: int, *, rate: float = 5) -> list[str]:
        """Agents with one sender each, `+1500` and their number; returns their ids."""
        one = self.api.post(
            "/api/agents",
            json={
                "id": f"agent-{first}", "provider": "twilio", "sessions_per_second": rate,
                "senders": [f"+1500{first:07d}"],
            },
        )  # fmt: skip
        if last > first:
            account = self.one("SELECT account FROM agent WHERE id = :id", id=one["id"])
            values = {"rate": rate, "account": account, "first": first + 1, "last": last}
            with self.engine.begin() as connection:
                connection.execute(_AGENTS, values)
        return [f"agent-{n}" for n in range(first, last + 1)]

    def upload(self, name: str, phones: Sequence[str], agents: Sequence[str]) -> int:
        """A campaign for these numbers, imported; its id."""
        content = "name,phone\n" + "".join(f"Ana,{phone}\n" for phone in phones)
        wanted = {
            "name": name, "agent_ids": list(agents), "window": "always", "message": MESSAGE,
        }  # fmt: skip
        answer = self.api.post(
            "/api/campaigns",
            files={"file": ("people.csv", content.encode())},
            data={"settings": json.dumps(wanted)},
        )
        eventually(
            lambda: self.status(answer["id"]) != "draft", "the import", seconds=300, every=0.1
        )
        return int(answer["id"])

    def launch(self, campaign: int) -> None:
        """Start it."""
        self.api.post(f"/api/campaigns/{campaign}/launch")

    def dial(self, dials: Mapping[str, Any]) -> None:
        """Turn the carrier's dials."""
        assert self.stack.carrier_url is not None
        dial(self.stack.carrier_url, dials)

    def status(self, campaign: int) -> str:
        """The campaign's status, straight from the ledger."""
        return str(self.one("SELECT status FROM campaign WHERE id = :id", id=campaign))

    def one(self, query: str, **values: object) -> Any:
        """The one value that a query finds."""
        with self.engine.begin() as connection:
            return connection.execute(text(query), values).scalar_one()

    def pids(self, name: str) -> list[int]:
        """Pids of the processes whose names begin so."""
        return [e.pid for e in pid_table.read(self.stack.data_dir) if e.name.startswith(name)]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process; without the carrier and without us."""
        return cpu_of_tree(self.stack.pid, without=self.pids("carrier"))


@contextlib.contextmanager
def stage(
    *, workers: int = 2, carrier: bool = True, flower: bool = False, **env: str
) -> Iterator[Stage]:
    """A stack of its own with the budgets of production, thrown away at the end."""
    options = [f"--workers={workers}", "--port=0"]
    options += [] if flower else ["--no-flower"]
    options += [] if carrier else ["--no-carrier"]
    unset = {f"VOLLEY_{name.upper()}": "" for name in Settings.model_fields}
    given = unset | {"VOLLEY_ENV_FILE": "", "VOLLEY_LOG_LEVEL": "warning"} | _shouting(env)
    with temporary_data_dir() as data_dir:
        with running_stack(data_dir=data_dir, options=options, env=given, seconds=120) as stack:
            engine = connect(stack.database_url)
            try:
                yield Stage(stack, Api(stack), engine)
            finally:
                engine.dispose()


def dial(carrier_url: str, dials: Mapping[str, Any]) -> None:
    """Turn a carrier's dials."""
    requests.post(f"{carrier_url}/control", json=dials, timeout=10).raise_for_status()


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds spent meanwhile, by process."""
    return {name: spent - before.get(name, 0.0) for name, spent in after.items()}


def _shouting(env: Mapping[str, str]) -> dict[str, str]:
    return {f"VOLLEY_{name.upper()}": value for name, value in env.items()}
