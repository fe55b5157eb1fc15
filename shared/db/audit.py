"""The audit: who did what, when. A line is written in the transaction of its act."""

from typing import Any

import orjson
from sqlalchemy import Connection, text

_NOTE = text("""
    INSERT INTO audit (actor, action, subject, details)
    VALUES (:actor, :action, :subject, CAST(:details AS jsonb))
""")


def note(
    connection: Connection, *, actor: str, action: str, subject: str, details: Any = None
) -> None:
    """Add a line to the audit."""
    connection.execute(
        _NOTE,
        {
            "actor": actor,
            "action": action,
            "subject": subject,
            "details": orjson.dumps(details or {}).decode(),
        },
    )
