"""Rows for tests, written straight into the ledger: one small builder for each table."""

import uuid
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import insert, text

from shared.db.models import Agent, Attempt, Base, Campaign, Lane, Message, Recipient, Sender
from shared.db.session import transaction

_NUMBERS = count(1)

#: the platform's account in tests: the simulator's
ACCOUNT = "twilio:AC" + "0" * 32
SETTINGS = {"template": "hello", "region": "US", "split_at": 1600, "options": {}}


def agent(**columns: Any) -> int:
    """An active agent on the simulator's account, without senders; its key."""
    n = next(_NUMBERS)
    given = {"id": f"agent-{n}", "provider": "twilio", "rate": 5, "account": ACCOUNT}
    return int(_insert(Agent, given | columns, "key"))


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
    with transaction() as connection:
        return list(connection.execute(text(query), values))


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
