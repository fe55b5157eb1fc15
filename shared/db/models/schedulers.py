"""Which scheduler dispatches for which agents: leases that end by Postgres's clock."""

from datetime import datetime

from sqlalchemy import CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created


class Lease(Base):
    """A shard of the agents (their key modulo the number of shards), its holder, and the end.

    The migration makes all rows, and none is deleted: schedulers only take them and give them back.
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
    """A living scheduler; the others count these rows to find their share."""

    __tablename__ = "scheduler"

    #: one life of a process: host, pid and a random word
    name: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[Created]
    #: it counts as dead from then on, unless it renews
    until: Mapped[datetime]
