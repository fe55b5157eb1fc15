"""Keys to the API: 32 random bytes each, of which only the SHA-256 is kept, and three roles.

viewer reads; operator also acts (campaigns, suppressions, agents); admin also holds keys, reads the
audit, stores provider credentials. The key of VOLLEY_API_KEY, or of DATA_DIR/api_key, is an
admin key named "first key"; it opens until somebody revokes it, and no restart brings it back.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from scheduler.access import key_store
from scheduler.access.key_store import Key, NewlyMade
from shared.db.audit import note
from shared.db.session import retried, transaction
from shared.errors import Refused
from shared.settings import settings
from shared.views.fields import extended

FIRST_KEY = "first key"
#: Tells people and secret scanners what was found lying around.
PREFIX = "volley_"


class Role(IntEnum):
    """What a key may do; each may what those below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class NewKey(BaseModel):
    """POST /api/keys."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    role: Literal["viewer", "operator", "admin"] = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `actor` is what the audit keeps."""

    key_id: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """The key, by its number and name."""
        return f"key:{self.key_id} {self.name}"


def caller_of(key: str) -> Caller | None:
    """Who holds this key; None when it opens nothing (any more)."""
    hashed = _hash(key)
    with transaction() as connection:
        row = key_store.find(connection, hashed)
        if row is None and _is_first(hashed):
            _keep_first(connection)
            row = key_store.find(connection, hashed)
    if row is None or row.revoked_at is not None:
        return None
    if not hmac.compare_digest(bytes(row.hash), hashed):
        return None
    return Caller(row.id, row.name, Role[row.role.upper()])


def _is_first(hashed: bytes) -> bool:
    """Whether this is the first key's hash. A wrong key must leave no trace on the disk."""
    first = settings().known_first_api_key()
    return first is not None and hmac.compare_digest(hashed, _hash(first))


def keep_first_key() -> None:
    """Store the first key's hash, unless it is there already, revoked or not."""
    with transaction() as connection:
        _keep_first(connection)


def create(new: NewKey, *, actor: str) -> NewlyMade:
    """A new key. `key` in the answer is the only time it is seen."""
    key = PREFIX + secrets.token_urlsafe(32)

    def work(connection: Connection) -> NewlyMade:
        made = key_store.add(
            connection, name=new.name, role=new.role, shown=_shown(key), hashed=_hash(key)
        )
        assert made is not None  # 256 random bits
        details = {"name": new.name, "role": new.role}
        note(connection, actor=actor, action="create", subject=f"key:{made.id}", details=details)
        return extended(NewlyMade, made, key=key)

    return retried(work)


def revoke(key_id: int, *, actor: str) -> None:
    """The key opens nothing any more; harmless to repeat.

    Raises Refused: key_not_found, last_admin_key.
    """

    def work(connection: Connection) -> None:
        if key_store.active_admins(connection) == [key_id]:
            raise Refused(
                "last_admin_key",
                "It is the last admin key: make another one before you revoke it.",
            )
        if not key_store.revoke(connection, key_id):
            raise Refused("key_not_found", f"There is no key {key_id}.")
        note(connection, actor=actor, action="revoke", subject=f"key:{key_id}")

    retried(work)


def everything() -> list[Key]:
    """All keys, revoked ones too."""
    with transaction() as connection:
        return key_store.everything(connection)


def _keep_first(connection: Connection) -> None:
    key = settings().first_api_key()
    key_store.add(connection, name=FIRST_KEY, role="admin", shown=_shown(key), hashed=_hash(key))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _shown(key: str) -> str:
    """Enough to tell keys apart; of a short one nothing."""
    return f"{key[:9]}…{key[-4:]}" if len(key) >= 24 else "…"
