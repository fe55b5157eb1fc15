"""The number of campaigns in a data directory, stored for when no server runs on it.

The running stack counts once a minute and when it stops, so that a person who is asked whether a
directory may go need not start a server to know what is in it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.local.data_dirs.data_dir import readable_file
from deploy.local.plan import Plan
from deploy.local.servers.postgres import EmbeddedPostgres
from shared import clock

NAME = "campaigns.json"
COUNT_EVERY_SECONDS = 60.0
#: Seconds. The supervisor counts, and must not wait for a database that hangs.
PATIENCE_SECONDS = 2


@dataclass(frozen=True)
class Counted:
    """So many campaigns at that time (unix seconds)."""

    campaigns: int
    at: float


def counting(plan: Plan) -> Callable[[], bool]:
    """A question for the supervisor's loop: it counts now and then, and always answers False."""
    counted = -COUNT_EVERY_SECONDS

    def ask() -> bool:
        nonlocal counted
        if time.monotonic() - counted >= COUNT_EVERY_SECONDS:
            count(plan)
            counted = time.monotonic()
        return False

    return ask


def count(plan: Plan) -> None:
    """Count the campaigns in the embedded database and write it down; not if it does not answer."""
    if not any(isinstance(server, EmbeddedPostgres) for server in plan.servers):
        return
    plain = plan.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(
            plain,
            connect_timeout=PATIENCE_SECONDS,
            options=f"-c statement_timeout={1000 * PATIENCE_SECONDS}",
        ) as connection:
            row = connection.execute("SELECT count(*) FROM campaign").fetchone()
    except psycopg.Error:
        return
    campaigns = int(row[0]) if row else 0
    text = json.dumps({"campaigns": campaigns, "at": clock.unix()})
    readable_file(plan.places.servers / NAME, text + "\n", user=None)


def read(servers: Path) -> Counted | None:
    """The last count; None without one."""
    try:
        written = json.loads((servers / NAME).read_text())
        return Counted(int(written["campaigns"]), float(written["at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
