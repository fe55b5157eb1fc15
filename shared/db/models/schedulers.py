"""Which scheduler dispatches for which agents: rows with an end, on Postgres's clock alone."""

from datetime import datetime

from sqlalchemy import CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created


class Lease(Base):
    """A shard of the agents (their key modulo the number of shards), and whose it is, and until
    when.

    All rows are made with the table and none ever goes, so they are only taken and given back.
    """

    __tablename__ = "lease"

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    #: the scheduler's name; NULL when the shard is free
    holder: Mapped[str | None]
    until: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("shard BETWEEN 0 AND 63", name="shard"),
        CheckConstraint("(holder IS NULL) = (until IS NULL)", name="held"),
        # 64 rows that are rewritten every second: room for their next versions on the same page
        {"postgresql_with": {"fillfactor": "50"}},
    )


class Scheduler(Base):
    """A scheduler that wants agents, so that the others can count the living."""

    __tablename__ = "scheduler"

    #: one process's life: host, pid and a word of its own
    name: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[Created]
    #: it is taken for dead from then on, unless it says again that it lives
    until: Mapped[datetime]
