"""Agents, campaigns and their messages, written straight into the ledger for tests."""

import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import text

from shared.db.session import retried, transaction
from tests.support.factories import ACCOUNT

_AGENT = text("""
    INSERT INTO agent (id, provider, rate, account, status)
    VALUES (:id, 'twilio', :rate, :account, :status) RETURNING key
""")
_SENDER = text("INSERT INTO sender (agent_key, number) VALUES (:key, :number)")
_CAMPAIGN = text("""
    INSERT INTO campaign (name, status, mode, priority, settings, fingerprint)
    VALUES ('test', :status, 'direct', :priority, CAST(:settings AS jsonb), :fingerprint)
    RETURNING id
""")
_LANE = text("INSERT INTO lane (campaign_id, agent_key) VALUES (:campaign_id, :agent_key)")
_RECIPIENTS = text("""
    INSERT INTO recipient (id, campaign_id, row, phone, country, fields)
    SELECT :first + i, :campaign_id, :first + i, '+1202555' || lpad((:first + i)::text, 4, '0'), 1,
           CAST(:fields AS jsonb)
    FROM generate_series(0, :count - 1) AS i
""")
_MESSAGES = text("""
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, due_at, compose_at, body)
    SELECT :first + i, :campaign_id, :agent_key, :first + i,
           CASE WHEN :planned THEN 'planned' ELSE 'ready' END,
           CASE WHEN NOT :planned THEN now() END, CASE WHEN :planned THEN now() END,
           CASE WHEN NOT :planned THEN 'hello' END
    FROM generate_series(0, :count - 1) AS i
""")


def add_agent(
    name: str = "ann", *, rate: float = 5, account: str = ACCOUNT, status: str = "active"
) -> int:
    """An agent with one sender; returns its key."""
    with transaction() as connection:
        values = {"id": name, "rate": rate, "account": account, "status": status}
        key: int = connection.execute(_AGENT, values).scalar_one()
        connection.execute(_SENDER, {"key": key, "number": f"+1415555{key:04}"})
        return key


def add_campaign(
    *agents: int,
    status: str = "running",
    priority: int = 3,
    settings: Mapping[str, Any] | None = None,
) -> int:
    """A campaign with a lane on each of the agents; returns its id."""
    stored = {"options": {}, "split_at": 1600, "template": "hello"} | dict(settings or {})
    with transaction() as connection:
        values = {
            "status": status,
            "priority": priority,
            "settings": orjson.dumps(stored).decode(),
            "fingerprint": uuid.uuid4().hex,
        }
        made: int = connection.execute(_CAMPAIGN, values).scalar_one()
        for key in agents:
            connection.execute(_LANE, {"campaign_id": made, "agent_key": key})
        return made


def add_messages(
    campaign_id: int,
    agent_key: int,
    count: int,
    *,
    planned: bool = False,
    fields: Mapping[str, str] | None = None,
) -> list[int]:
    """Recipients of the campaign, each with a message that is due now; returns the message ids."""
    with transaction() as connection:
        highest = connection.execute(text("SELECT coalesce(max(id), 0) FROM message")).scalar_one()
        values = {
            "first": highest + 1,
            "campaign_id": campaign_id,
            "agent_key": agent_key,
            "count": count,
            "planned": planned,
            "fields": orjson.dumps(dict(fields or {})).decode(),
        }
        connection.execute(_RECIPIENTS, values)
        connection.execute(_MESSAGES, values)
    return list(range(highest + 1, highest + 1 + count))


def rows(query: str, **values: object) -> list[Any]:
    """What a query finds."""
    return retried(lambda connection: list(connection.execute(text(query), values)))


def change(statement: str, **values: object) -> int:
    """Run a statement; returns how many rows it touched."""
    with transaction() as connection:
        return connection.execute(text(statement), values).rowcount
