"""Answers that are given again: who asks the same with the same Idempotency-Key gets the same.

A row without an answer is a request under way. It renews its lease; the lease of a killed process
runs out, and whoever asks next does the work.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

#: How long an answer is given again.
KEPT = timedelta(hours=24)
#: How long a request under way may be silent before it is taken for dead.
LEASE = timedelta(seconds=15)

_BEGIN = text("""
    INSERT INTO idempotent_answer AS old (key, route, request_hash) VALUES (:key, :route, '')
    ON CONFLICT (key, route) DO UPDATE
        SET request_hash = '', status = NULL, body = NULL, created_at = now()
        WHERE old.created_at < now() - CASE WHEN old.status IS NULL THEN CAST(:lease AS interval)
                                            ELSE CAST(:kept AS interval) END
    RETURNING key
""")
_FIND = text("""
    SELECT request_hash, status, body FROM idempotent_answer WHERE key = :key AND route = :route
""")
_RENEW = text("""
    UPDATE idempotent_answer SET created_at = now()
    WHERE key = :key AND route = :route AND status IS NULL
""")
_KEEP = text("""
    UPDATE idempotent_answer
    SET request_hash = :hash, status = :status, body = :body, created_at = now()
    WHERE key = :key AND route = :route
""")
_DROP = text("""
    DELETE FROM idempotent_answer WHERE key = :key AND route = :route AND status IS NULL
""")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one answer is kept: the caller's key, and what it was used for."""

    key: str
    route: str

    def parameters(self) -> dict[str, object]:
        """As the statements take it."""
        return {"key": self.key, "route": self.route}


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, or a request under way while `status` is None."""

    request_hash: bytes
    status: int | None
    body: bytes | None


def begin(connection: Connection, slot: Slot) -> Kept | None:
    """Take the slot and return None, or return what another request left in it."""
    parameters = slot.parameters() | {"lease": LEASE, "kept": KEPT}
    if connection.execute(_BEGIN, parameters).first() is not None:
        return None
    row = connection.execute(_FIND, slot.parameters()).one_or_none()
    if row is None:  # given up between the two statements
        return Kept(b"", None, None)
    return Kept(bytes(row.request_hash), row.status, bytes(row.body) if row.body else None)


def renew(connection: Connection, slot: Slot) -> None:
    """The request is still under way."""
    connection.execute(_RENEW, slot.parameters())


def keep(
    connection: Connection, slot: Slot, *, request_hash: bytes, status: int, body: bytes
) -> None:
    """The answer to give from now on."""
    answer = {"hash": request_hash, "status": status, "body": body}
    connection.execute(_KEEP, slot.parameters() | answer)


def drop(connection: Connection, slot: Slot) -> None:
    """The request came to nothing: it may be tried again under the same key."""
    connection.execute(_DROP, slot.parameters())
