"""The numbers that must not be texted."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from shared.db.queries.reading import instant

_ADD = text("""
    INSERT INTO suppression (phone, scope, reason, source)
    SELECT phone, :scope, reason, :source
    FROM unnest(CAST(:phones AS text[]), CAST(:reasons AS text[])) AS given(phone, reason)
    ORDER BY phone ON CONFLICT DO NOTHING RETURNING phone
""")
_REMOVE = text("DELETE FROM suppression WHERE phone = :phone RETURNING phone")
_PAGE = text("""
    SELECT phone, scope, reason, source, created_at FROM suppression
    WHERE phone > :after ORDER BY phone, scope LIMIT :limit
""")


def add(
    connection: Connection, numbers: Iterable[tuple[str, str | None]], *, scope: str, source: str
) -> set[str]:
    """Suppress (number, reason) each; returns the numbers that were not suppressed before."""
    reasons = dict(numbers)
    parameters = {
        "phones": list(reasons),
        "reasons": list(reasons.values()),
        "scope": scope,
        "source": source,
    }
    return set(connection.execute(_ADD, parameters).scalars())


def remove(connection: Connection, phone: str) -> bool:
    """Lift a number's suppressions; False when it had none."""
    return connection.execute(_REMOVE, {"phone": phone}).first() is not None


def page(connection: Connection, *, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Suppressions in the order of their numbers, those behind `after`."""
    return [
        {
            "number": row.phone,
            "scope": row.scope,
            "reason": row.reason,
            "source": row.source,
            "created_at": instant(row.created_at),
        }
        for row in connection.execute(_PAGE, {"after": after, "limit": limit})
    ]
