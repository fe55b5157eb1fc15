"""Imports that nobody is at, and how far they have got: which goes first is decided by that."""

from collections.abc import Collection

from sqlalchemy import Connection, text

_ABANDONED = text("""
    SELECT c.id FROM campaign c JOIN upload u ON u.id = c.upload_id
    WHERE c.status = 'draft'
      AND coalesce(u.lease_until, c.created_at + interval '10 s') < now()
      AND (CAST(:below AS int) IS NULL OR u.loaded_row < :below)
    ORDER BY u.loaded_row, c.id
""")
_LEAST_LOADED = text("""
    SELECT min(u.loaded_row) FROM campaign c JOIN upload u ON u.id = c.upload_id
    WHERE c.status = 'draft'
      AND coalesce(u.lease_until, c.created_at + interval '10 s') < now()
      AND c.id <> ALL (CAST(:but AS int[]))
""")


def abandoned(connection: Connection, *, below: int | None = None) -> list[int]:
    """Draft campaigns whose import nobody is at, those that have got least far first.

    With `below` only those that have not got so far, in rows.
    """
    return list(connection.execute(_ABANDONED, {"below": below}).scalars())


def least_loaded(connection: Connection, *, but: Collection[int] = ()) -> int | None:
    """How far the one of them that has got least far is, in rows; None when none waits.

    `but` are campaigns that do not count.
    """
    least: int | None = connection.execute(_LEAST_LOADED, {"but": list(but)}).scalar()
    return least
