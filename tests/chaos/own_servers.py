"""`make own-servers`: campaigns on servers as people have them, and a page about how they went.

`python -m tests.chaos.own_servers FILE` writes deploy/docs/own-servers.md, or another FILE. What is
not installed on this machine is skipped, and the page says so.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.harness import Bench, bench
from tests.chaos.hosts import second_host
from tests.chaos.invariants import broken, lost, twice
from tests.support import own_servers as own
from tests.support.embedded import sweep_killed_runs
from tests.support.sources import ROOT

PAGE: Final = ROOT / "deploy/docs/own-servers.md"
ROWS: Final = 500
SECRET: Final = {"VOLLEY_SECRET_KEY": "a key for a campaign on servers of one's own"}
HEAD: Final = f"""\
# Servers of one's own

Campaigns of {ROWS} rows on servers as Debian ships them, each set up by hand and not by Volley,
with 16 agents and the simulated carrier. *Lost*: a row that was never called, or of which the
ledger and the carrier's own log say different things. *Twice*: a part or a number that the carrier
accepted twice. *Violations*: what else breaks the promise (a rate that was exceeded, a status that
went back, a message without an end). `make own-servers` runs them again and writes this page. Why a
pooler needs no setting: [decision 0023](decisions/0023-no-session-is-counted-on.md).
"""

#: Rules with columns of their own.
_APART: Final = ("lost", "twice")
#: What is done to a running campaign, from its launch until it is left to end by itself.
Load = Callable[[Bench], None]


@dataclass(frozen=True)
class Setting:
    """A way to run Volley on one's own servers: what it needs, and a campaign's time on it."""

    name: str
    needs: Sequence[str]
    #: a bench that runs on them, and what happens to the campaign
    laid: Callable[[], AbstractContextManager[tuple[Bench, Load]]]


@dataclass(frozen=True)
class Result:
    """How a campaign went: numbers of messages. `skipped` says why there was none."""

    name: str
    delivered: int = 0
    lost: int = 0
    twice: int = 0
    violations: int = 0
    seconds: float = 0
    skipped: str = ""

    @property
    def good(self) -> bool:
        """Everybody reached once, or nothing tried."""
        numbers = (self.delivered, self.lost, self.twice, self.violations)
        return bool(self.skipped) or numbers == (ROWS, 0, 0, 0)

    def row(self) -> str:
        """The page's line."""
        if self.skipped:
            return f"| {self.name} | | | | | {self.skipped} |"
        numbers = (self.delivered, self.lost, self.twice, self.violations)
        words = " | ".join(map(str, numbers))
        return f"| {self.name} | {words} | {self.seconds:.0f} s |"


def run(setting: Setting) -> Result:
    """One campaign, from the file to everybody's end."""
    absent = own.missing(*setting.needs)
    if absent:
        return Result(setting.name, skipped=f"skipped: {' and '.join(absent)} not installed")
    with setting.laid() as (stack, load):
        began = time.monotonic()
        stack.launch(stack.upload(ROWS, stack.add_agents(16)))
        load(stack)
        stack.converge()
        seconds = time.monotonic() - began
        truth = stack.truth()
    others = {rule: wrong for rule, wrong in broken(truth).items() if rule not in _APART}
    for rule, wrong in others.items():
        print(f"{setting.name}: {rule}: {wrong}", file=sys.stderr)
    return Result(
        setting.name,
        delivered=truth.statuses["delivered"],
        lost=len(lost(truth)),
        twice=len(twice(truth)),
        violations=sum(map(len, others.values())),
        seconds=seconds,
    )


@contextlib.contextmanager
def on_postgres() -> Iterator[tuple[Bench, Load]]:
    """The role owns its database and may do nothing else."""
    with own.postgres() as url, bench(workers=2, env=_database(url)) as stack:
        yield stack, _leave_alone


@contextlib.contextmanager
def on_redis() -> Iterator[tuple[Bench, Load]]:
    """With a password."""
    with own.redis() as url, bench(workers=2, env={"VOLLEY_REDIS_URL": url}) as stack:
        yield stack, _leave_alone


@contextlib.contextmanager
def on_pgbouncer(mode: str) -> Iterator[tuple[Bench, Load]]:
    """Ten connections to Postgres in transaction mode, for some thirty of ours."""
    most = {"session": 100, "transaction": 10}[mode]
    with (
        own.postgres() as database_url,
        own.pgbouncer(database_url, mode=mode, connections=most) as url,
        bench(workers=2, env=_database(url)) as stack,
    ):
        yield stack, _leave_alone


@contextlib.contextmanager
def on_rabbitmq() -> Iterator[tuple[Bench, Load]]:
    """Stopped and started again in the midst of the campaign, then killed and started again."""
    with (
        own.rabbitmq() as server,
        bench(workers=2, flower=True, env={"VOLLEY_BROKER_URL": server.url}) as stack,
    ):

        def restart_twice(stack: Bench) -> None:
            for share, hard in ((0.2, False), (0.5, True)):
                stack.until_went(share)
                server.stop(hard=hard)
                threading.Event().wait(3)
                server.start()

        yield stack, restart_twice


@contextlib.contextmanager
def on_two_hosts() -> Iterator[tuple[Bench, Load]]:
    """One of them is killed at a third of the campaign, and does not come back."""
    with ExitStack() as afterwards:
        env = _database(afterwards.enter_context(own.postgres()))
        env["VOLLEY_REDIS_URL"] = afterwards.enter_context(own.redis())
        stack = afterwards.enter_context(bench(workers=2, env=env))
        host = afterwards.enter_context(second_host(stack, env))

        def kill_one(stack: Bench) -> None:
            stack.until_went(0.3)
            host.kill()

        yield stack, kill_one


def _leave_alone(_: Bench) -> None:
    """Nothing happens to it."""


def _database(url: str) -> dict[str, str]:
    return {**SECRET, "VOLLEY_DATABASE_URL": url}


SETTINGS: Final = (
    Setting("Postgres, an ordinary role", ["Postgres"], on_postgres),
    Setting("Redis with a password", ["Redis"], on_redis),
    Setting("PgBouncer, session mode", ["Postgres", "PgBouncer"], lambda: on_pgbouncer("session")),
    Setting(
        "PgBouncer, transaction mode, 10 connections to Postgres",
        ["Postgres", "PgBouncer"],
        lambda: on_pgbouncer("transaction"),
    ),
    Setting("RabbitMQ, restarted and then killed under load", ["RabbitMQ"], on_rabbitmq),
    Setting(
        "Two hosts on one Postgres and one Redis, one killed under load",
        ["Postgres", "Redis"],
        on_two_hosts,
    ),
)


def main(words: Sequence[str]) -> int:
    """Run all that can be run here, and write the page. 1 if the promise broke."""
    path = Path(words[0]) if words else PAGE
    sweep_killed_runs()
    results = []
    for setting in SETTINGS:
        results.append(run(setting))
        print(results[-1].row(), flush=True)
    head = "| on | delivered | lost | twice | violations | took |\n|---|---|---|---|---|---|"
    path.write_text("\n".join([HEAD, head, *(result.row() for result in results), ""]))
    print(f"wrote {path}")
    return int(not all(result.good for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
