"""The numbers nobody may text, as people see them. Reads only."""

from dataclasses import dataclass
from typing import Annotated

from sqlalchemy import Connection, text

from shared.domain.instants import instant
from shared.views.fields import AN_INSTANT, Instant, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A number that was asked to be suppressed."""

    number: Annotated[str, told("In E.164.", "+12025550123")]
    scope: Annotated[str, told("What it may not be sent.", "all")]
    reason: Annotated[str | None, told("Why, for the next who asks.", "asked on the phone")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression(Suppressed):
    """A number that nobody may text."""

    source: Annotated[str, told("Who suppressed it, or what.", "key:1 first key")]
    created_at: Annotated[Instant | None, told("Since when.", AN_INSTANT)]


_PAGE = text("""
    SELECT phone, scope, reason, source, created_at FROM suppression
    WHERE phone > :after ORDER BY phone, scope LIMIT :limit
""")


def page(connection: Connection, *, after: str = "", limit: int = 100) -> list[Suppression]:
    """Suppressions in the order of their numbers, those behind `after`."""
    return [
        Suppression(
            number=row.phone,
            scope=row.scope,
            reason=row.reason,
            source=row.source,
            created_at=instant(row.created_at),
        )
        for row in connection.execute(_PAGE, {"after": after, "limit": limit})
    ]
