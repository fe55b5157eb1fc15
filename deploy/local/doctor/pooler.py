"""A pooler between us and Postgres: is there one, and does it keep a transaction together?"""

from collections.abc import Iterator
from typing import Final

import psycopg

from deploy.local.doctor.finding import Finding, fail, ok

PATIENCE_SECONDS: Final = 2
#: What PgBouncer answers to a transaction when it pools statements.
_STATEMENTS: Final = "transaction blocks not allowed"


def pooler(url: str) -> Iterator[Finding]:
    """Nothing where none is between, or where the database does not answer: it has its own line.

    One tells its clients a number of its own for the server process (see shared.db.session).
    """
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(
            plain, connect_timeout=PATIENCE_SECONDS, prepare_threshold=None
        ) as asked:
            row = asked.execute("SELECT pg_backend_pid()").fetchone()
            pooled = row is not None and row[0] != asked.info.backend_pid
    except psycopg.Error as error:
        if _STATEMENTS in str(error):
            yield fail(
                "pooler",
                "breaks transactions apart",
                fix="set PgBouncer's pool_mode to transaction or session",
            )
        return
    if pooled:
        yield ok("pooler", "one is between: nothing is kept in its sessions, nothing prepared")
