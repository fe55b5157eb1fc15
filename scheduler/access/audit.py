"""Who did what, when, as people read it. It is written by `shared.db.audit.note`."""

from typing import Any

from sqlalchemy import text

from shared.db.session import transaction
from shared.domain.instants import instant

_PAGE = text("""
    SELECT id, at, actor, action, subject, details FROM audit
    WHERE id < :before AND (:subject = '' OR subject = :subject) ORDER BY id DESC LIMIT :limit
""")


def page(*, subject: str = "", before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The newest entries, those with an id below `before`.

    `subject` is such as campaign:7, agent:sales, key:3 or sending; empty for all.
    """
    parameters = {"subject": subject, "before": before or (1 << 63) - 1, "limit": limit}
    with transaction() as connection:
        return [
            {
                "id": row.id,
                "at": instant(row.at),
                "actor": row.actor,
                "action": row.action,
                "subject": row.subject,
                "details": row.details,
            }
            for row in connection.execute(_PAGE, parameters)
        ]
