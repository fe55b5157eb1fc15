"""Whether the stack runs, and whether what is due goes out."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import psycopg

from deploy.local.doctor.finding import Finding, ok, warn
from deploy.local.running import Stack
from deploy.local.system import pid_table
from shared.ledger.shards import SHARDS
from shared.settings import Settings

PATIENCE_SECONDS: Final = 3
#: A message that may go and has waited longer should be moving.
LATE_SECONDS: Final = 60.0
#: So long is looked whether anything moves: the slowest agent starts one session a second.
LOOK_SECONDS: Final = 4.0

_RUNNING: Final = "SELECT count(*) FROM campaign WHERE status = 'running'"
_LIVING: Final = "SELECT count(*) FROM scheduler WHERE until > now()"
_HELD: Final = "SELECT count(*) FROM lease WHERE until > now()"
_OLDEST: Final = """
    SELECT coalesce(max(extract(epoch FROM now() - (
        SELECT min(due_at) FROM message WHERE campaign_id = l.campaign_id
          AND agent_key = l.agent_key AND due_at <= now()))), 0)::float
    FROM campaign c CROSS JOIN control JOIN lane l ON l.campaign_id = c.id
    JOIN agent a ON a.key = l.agent_key
    WHERE c.status = 'running' AND a.status = 'active' AND control.stopped_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.agent_key = a.key AND lifted_at IS NULL
                      AND scope IN ('agent', 'account') AND (until IS NULL OR until > now()))
"""
_WAITING: Final = """
    SELECT coalesce(sum(n.messages), 0)::bigint FROM campaign_count n
    JOIN campaign c ON c.id = n.campaign_id WHERE c.status = 'running' AND n.status = 'ready'
"""


def stack_line(stack: Stack | None) -> Finding:
    """The processes that run here, and those that should."""
    if stack is None:
        return ok("stack", "none runs here; volley up starts it")
    running = {row["pid"] for row in stack.ps()}
    down = sorted(n for pid, n in pid_table.names(stack.data_dir).items() if pid not in running)
    if down:
        logs = stack.data_dir / "logs"
        return warn("stack", f"down: {', '.join(down)}", fix=f"if it stays so, read {logs}")
    roles = Counter(row["role"] for row in stack.ps())
    told = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
    return ok("stack", f"{len(running)} processes: {told}")


def progress(chosen: Settings, stack: Stack | None) -> Finding | None:
    """Whether due messages of running campaigns go out. None if the database cannot answer."""
    return _asked(chosen, stack, lambda connection: _progress(connection, stack))


def schedulers(chosen: Settings, stack: Stack | None) -> Finding | None:
    """Whether a scheduler dispatches for every agent. None if the database cannot answer."""
    return _asked(chosen, stack, _schedulers)


def _asked(
    chosen: Settings, stack: Stack | None, ask: Callable[[psycopg.Connection], Finding]
) -> Finding | None:
    external = chosen.database_url
    url = external.get_secret_value() if external else stack and stack.database_url
    if not url:
        return None
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(
            plain,
            connect_timeout=PATIENCE_SECONDS,
            autocommit=True,
            prepare_threshold=None,  # a pooler may be between
        ) as asked:
            return ask(asked)
    except (psycopg.Error, ValueError):
        return None  # the database's own line says why


def _schedulers(connection: psycopg.Connection) -> Finding:
    living, held = int(_number(connection, _LIVING)), int(_number(connection, _HELD))
    says = f"{living} living, with {held} of the {SHARDS} shards of the agents"
    # A shard may be free for a moment, between the one that gave it up and the one that takes it.
    if held < SHARDS and _number(connection, _RUNNING):
        return warn("schedulers", says, fix="if it stays so, start one: volley up")
    return ok("schedulers", says)


def _progress(connection: psycopg.Connection, stack: Stack | None) -> Finding:
    campaigns = int(_number(connection, _RUNNING))
    oldest = _number(connection, _OLDEST)
    running = f"{campaigns} running campaign{'' if campaigns == 1 else 's'}"
    if oldest <= LATE_SECONDS or _moves(connection):
        return ok("progress", running if campaigns else "nothing to send")
    says = f"{running}, and the oldest due message has waited {oldest:.0f} s; nothing moves"
    if stack is None:
        return warn("progress", says, fix="no stack runs here: start it with volley up")
    logs = stack.data_dir / "logs"
    return warn("progress", says, fix=f"volley ps must show scheduler and worker; read {logs}")


def _moves(connection: psycopg.Connection) -> bool:
    """Whether a message leaves the queue while we look; a long queue alone is no fault."""
    before = _number(connection, _WAITING)
    deadline = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if _number(connection, _WAITING) != before:
            return True
    return False


def _number(connection: psycopg.Connection, query: str) -> float:
    row = connection.execute(query).fetchone()
    return float(row[0]) if row else 0.0
