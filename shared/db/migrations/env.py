"""Alembic's entry: the address comes from the caller, or from the settings."""

from alembic import context

from shared.db.models import Base
from shared.db.session import connect, engine


def run() -> None:
    url = context.config.attributes.get("url")
    bind = connect(url) if url else engine()
    with bind.connect() as connection:
        context.configure(
            connection=connection, target_metadata=Base.metadata, compare_server_default=True
        )
        with context.begin_transaction():
            context.run_migrations()
    if url:
        bind.dispose()


run()
