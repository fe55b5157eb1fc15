"""Alembic's entry: the address comes from the caller, or from the settings."""

from alembic import context
from sqlalchemy import text

from shared.db.models import Base
from shared.db.session import connect, engine

_LOCK = 0x566F6C6C6579  # "Volley"
_ALONE = text("SELECT pg_advisory_xact_lock(:key)")


def run() -> None:
    """Run the migrations in one transaction, under a lock that ends with it. So only one process
    runs them, also behind a pooler.
    """
    url = context.config.attributes.get("url")
    bind = connect(url) if url else engine()
    with bind.connect() as connection:
        context.configure(
            connection=connection, target_metadata=Base.metadata, compare_server_default=True
        )
        with context.begin_transaction():
            connection.execute(_ALONE, {"key": _LOCK})
            context.run_migrations()
    if url:
        bind.dispose()


run()
