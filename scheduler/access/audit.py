"""Who did what, when, as people read it. It is written by `shared.db.audit.note`."""

from dataclasses import dataclass
from typing import Annotated

from sqlalchemy import text

from shared.db.session import transaction
from shared.domain.instants import instant
from shared.opaque import Json
from shared.views.fields import AN_INSTANT, Instant, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Who did what."""

    id: Annotated[int, told("Its number; later ones are larger.", 12)]
    at: Annotated[Instant | None, told("When.", AN_INSTANT)]
    actor: Annotated[str, told("Who: a key, or a user of the command line.", "key:1 first key")]
    action: Annotated[str, told("Did what.", "launch")]
    subject: Annotated[str, told("To what.", "campaign:7")]
    details: Annotated[Json, told("Its circumstances; they differ by action.", {"messages": 3})]


_PAGE = text("""
    SELECT id, at, actor, action, subject, details FROM audit
    WHERE id < :before AND (:subject = '' OR subject = :subject) ORDER BY id DESC LIMIT :limit
""")


def page(*, subject: str = "", before: int | None = None, limit: int = 100) -> list[Noted]:
    """The newest entries, those with an id below `before`.

    `subject` is such as campaign:7, agent:sales, key:3 or sending; empty for all.
    """
    parameters = {"subject": subject, "before": before or (1 << 63) - 1, "limit": limit}
    with transaction() as connection:
        return [
            Noted(
                id=row.id,
                at=instant(row.at),
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                details=row.details,
            )
            for row in connection.execute(_PAGE, parameters)
        ]
