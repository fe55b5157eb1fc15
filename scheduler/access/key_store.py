"""API keys, of which only hashes are kept."""

from dataclasses import dataclass
from typing import Annotated, Any

from sqlalchemy import Connection, Row, text

from shared.domain.instants import instant
from shared.views.fields import AN_INSTANT, Instant, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key to the API, without what would open a door."""

    id: Annotated[int, told("Its number.", 3)]
    name: Annotated[str, told("Whose it is.", "the booking system")]
    role: Annotated[
        str, told("What it may do.", "operator", one_of=("viewer", "operator", "admin"))
    ]
    shown: Annotated[str, told("Enough of it to tell keys apart.", "volley_ab…wxyz")]
    created_at: Annotated[Instant | None, told("When it was made.", AN_INSTANT)]
    revoked_at: Annotated[Instant | None, told("Since when it opens nothing.", None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewlyMade(Key):
    """A key that was just made."""

    key: Annotated[str, told("The key itself: this is the only time it is seen.", "volley_…")]


_ADD = text("""
    INSERT INTO api_key (name, role, shown, hash) VALUES (:name, :role, :shown, :hash)
    ON CONFLICT (hash) DO NOTHING RETURNING id, name, role, shown, created_at, revoked_at
""")
_FIND = text("SELECT id, name, role, hash, revoked_at FROM api_key WHERE hash = :hash")
_ALL = text("SELECT id, name, role, shown, created_at, revoked_at FROM api_key ORDER BY id")
_ADMINS = text("""
    SELECT id FROM api_key WHERE role = 'admin' AND revoked_at IS NULL ORDER BY id FOR UPDATE
""")
_REVOKE = text("""
    UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = :id RETURNING id
""")


def add(connection: Connection, *, name: str, role: str, shown: str, hashed: bytes) -> Key | None:
    """Keep a key's hash; None when that very key is there already, revoked or not."""
    parameters = {"name": name, "role": role, "shown": shown, "hash": hashed}
    row = connection.execute(_ADD, parameters).one_or_none()
    return _shown(row) if row is not None else None


def find(connection: Connection, hashed: bytes) -> Row[Any] | None:
    """The key with this hash: id, name, role, hash, revoked_at."""
    return connection.execute(_FIND, {"hash": hashed}).one_or_none()


def everything(connection: Connection) -> list[Key]:
    """All keys, without their secrets."""
    return [_shown(row) for row in connection.execute(_ALL)]


def active_admins(connection: Connection) -> list[int]:
    """Ids of the admin keys that still open; locked, so that two cannot revoke the last one."""
    return list(connection.execute(_ADMINS).scalars())


def revoke(connection: Connection, key_id: int) -> bool:
    """From now on the key opens nothing; False when there is no such key."""
    return connection.execute(_REVOKE, {"id": key_id}).first() is not None


def _shown(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        role=row.role,
        shown=row.shown,
        created_at=instant(row.created_at),
        revoked_at=instant(row.revoked_at),
    )
