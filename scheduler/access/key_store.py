"""API keys, of which only hashes are kept."""

from typing import Any

from sqlalchemy import Connection, Row, text

from shared.domain.instants import instant

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


def add(
    connection: Connection, *, name: str, role: str, shown: str, hashed: bytes
) -> dict[str, Any] | None:
    """Keep a key's hash; None when that very key is there already, revoked or not."""
    parameters = {"name": name, "role": role, "shown": shown, "hash": hashed}
    row = connection.execute(_ADD, parameters).one_or_none()
    return _shown(row) if row is not None else None


def find(connection: Connection, hashed: bytes) -> Row[Any] | None:
    """The key with this hash: id, name, role, hash, revoked_at."""
    return connection.execute(_FIND, {"hash": hashed}).one_or_none()


def everything(connection: Connection) -> list[dict[str, Any]]:
    """All keys, without their secrets."""
    return [_shown(row) for row in connection.execute(_ALL)]


def active_admins(connection: Connection) -> list[int]:
    """Ids of the admin keys that still open; locked, so that two cannot revoke the last one."""
    return list(connection.execute(_ADMINS).scalars())


def revoke(connection: Connection, key_id: int) -> bool:
    """From now on the key opens nothing; False when there is no such key."""
    return connection.execute(_REVOKE, {"id": key_id}).first() is not None


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "shown": row.shown,
        "created_at": instant(row.created_at),
        "revoked_at": instant(row.revoked_at),
    }
