"""Rows for tests, written straight into the ledger: one small builder for each table."""

import uuid
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import orjson
from sqlalchemy import insert, text

from shared.db.models import Agent, Attempt, Base, Campaign, Lane, Message, Recipient, Sender
from shared.db.session import retried, transaction

_NUMBERS = count(1)

#: the platform's account in tests: the simulator's
ACCOUNT = "twilio:AC" + "0" * 32
SETTINGS = {"template": "hello", "region": "US", "split_at": 1600, "options": {}}


def agent(name: str | None = None, *, senders: int = 0, **columns: Any) -> int:
    """An active agent on the simulator's account, with so many senders; its key."""
    n = next(_NUMBERS)
    given = {"id": name or f"agent-{n}", "provider": "twilio", "rate": 5, "account": ACCOUNT}
    key = int(_insert(Agent, given | columns, "key"))
    for _ in range(senders):
        sender(key)
    return key


def sender(agent_key: int, number: str | None = None, **columns: Any) -> str:
    """A sender of that agent; its number."""
    number = number or f"+1415555{next(_NUMBERS):04d}"
    _insert(Sender, {"agent_key": agent_key, "number": number} | columns, "key")
    return number


def campaign(*agents: int, settings: Mapping[str, Any] | None = None, **columns: Any) -> int:
    """A running campaign with a lane on each of the agents; its id."""
    given = {
        "name": "test", "status": "running", "mode": "direct", "priority": 3,
        "settings": SETTINGS | dict(settings or {}), "fingerprint": uuid.uuid4().hex,
    }  # fmt: skip
    made = int(_insert(Campaign, given | columns, "id"))
    for key in agents:
        _insert(Lane, {"campaign_id": made, "agent_key": key}, "agent_key")
    return made


def recipient(campaign_id: int, **columns: Any) -> int:
    """A person in that campaign; the id."""
    n = next(_NUMBERS)
    given = {
        "id": n, "campaign_id": campaign_id, "row": n, "phone": f"+1202{n:07d}", "country": 1,
        "fields": {},
    }  # fmt: skip
    return int(_insert(Recipient, given | columns, "id"))


def message(
    campaign_id: int, agent_key: int, *, parts: Sequence[str] = ("hello",), **columns: Any
) -> int:
    """A message of these parts, ready and due now unless `status` says otherwise; its id."""
    phone = {"phone": columns.pop("phone")} if "phone" in columns else {}
    recipient_id = columns.pop("recipient_id", None) or recipient(campaign_id, **phone)
    ends = [len("".join(parts[: i + 1])) for i in range(len(parts))]
    given = {
        "id": next(_NUMBERS), "campaign_id": campaign_id, "agent_key": agent_key,
        "recipient_id": recipient_id, "status": "ready", "body": "".join(parts), "cuts": ends[:-1],
        "encoding": "GSM-7", "segments": len(parts),
    } | columns  # fmt: skip
    if given["status"] == "ready":
        given.setdefault("due_at", text("now()"))
    if given["status"] == "planned":
        given = {"compose_at": text("now()")} | given | {"body": None}
    return int(_insert(Message, given, "id"))


def messages(
    campaign_id: int,
    agent_key: int,
    count: int,
    *,
    planned: bool = False,
    fields: Mapping[str, str] | None = None,
) -> list[int]:
    """So many messages at once that are due now, each to a person of its own; their ids."""
    with transaction() as connection:
        highest = connection.execute(text("SELECT coalesce(max(id), 0) FROM message")).scalar_one()
        values = {
            "first": highest + 1, "campaign_id": campaign_id, "agent_key": agent_key,
            "count": count, "planned": planned, "fields": orjson.dumps(dict(fields or {})).decode(),
        }  # fmt: skip
        connection.execute(_RECIPIENTS, values)
        connection.execute(_MESSAGES, values)
    return list(range(highest + 1, highest + 1 + count))


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


def attempt(message_id: int, *, n: int = 1, part: int = 0, **columns: Any) -> uuid.UUID:
    """A call for that part, `sending` unless `status` says otherwise; its token."""
    token = uuid.uuid4()
    given = {
        "message_id": message_id, "part": part, "n": n, "token": token,
        "claimed_at": text("now()"), "claimed_by": "test:1",
    }  # fmt: skip
    _insert(Attempt, given | columns, "n")
    return token


def rows(query: str, **values: object) -> list[Any]:
    """What a query finds."""
    return retried(lambda connection: list(connection.execute(text(query), values)))


def one(query: str, **values: object) -> Any:
    """The one row that a query finds."""
    (found,) = rows(query, **values)
    return found


def change(statement: str, **values: object) -> int:
    """Run a statement; how many rows it touched."""
    with transaction() as connection:
        return connection.execute(text(statement), values).rowcount


def _insert(table: type[Base], columns: Mapping[str, Any], key: str) -> Any:
    with transaction() as connection:
        statement = insert(table).values(**columns).returning(getattr(table, key))
        return connection.execute(statement).scalar_one()
