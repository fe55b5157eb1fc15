"""Agents, their senders, limits and holds."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created


class Agent(Base):
    """A configured identity for campaigns: provider account, senders, rate, opener."""

    __tablename__ = "agent"

    #: internal number; messages have it instead of the public id, for a small index
    key: Mapped[int] = mapped_column(Identity(), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
    provider: Mapped[str]
    messaging_service_sid: Mapped[str | None]
    #: session starts per second over the whole cluster; `next_rate` takes its place at
    #: `next_rate_at`
    rate: Mapped[float] = mapped_column()
    next_rate: Mapped[float | None] = mapped_column()
    next_rate_at: Mapped[datetime | None]
    timezone: Mapped[str | None]
    opener: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: encrypted with SECRET_KEY; no answer ever shows it
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: the provider account's name; all its agents share its limits and its listing
    account: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[Created]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('active', 'paused')", name="status"),
        CheckConstraint("rate >= 1 AND rate <= 5", name="rate"),
    )


class FormerAccount(Base):
    """An account that an agent had until recently: callbacks for its calls may still come.

    A trigger on `agent` writes it, so that no statement can forget it.
    """

    __tablename__ = "former_account"

    account: Mapped[str] = mapped_column(primary_key=True)
    credentials: Mapped[bytes] = mapped_column(LargeBinary)
    replaced_at: Mapped[Created]


class Sender(Base):
    """The From of an agent's messages: long code, toll-free or short code."""

    __tablename__ = "sender"

    key: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent_key: Mapped[int] = mapped_column(ForeignKey("agent.key", ondelete="CASCADE"))
    number: Mapped[str]
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    #: as this agent's operator gave them; the number's effective limits are in `sender_limit`
    segments_per_second: Mapped[float | None]
    segments_per_day: Mapped[int | None]

    __table_args__ = (
        Index("uq_sender_agent_key_number", "agent_key", "number", unique=True),
        Index("ix_sender_number", "number"),
    )


class SenderLimit(Base):
    """The segments that a number may send, and those it was given today.

    One row for each number that an agent limits. Agents that share a number share its limits: the
    tightest one applies to all.
    """

    __tablename__ = "sender_limit"

    number: Mapped[str] = mapped_column(primary_key=True)
    segments_per_second: Mapped[float | None]
    segments_per_day: Mapped[int | None]
    #: the day that `used` counts; it ends at midnight in Los Angeles, as carriers' own caps do
    day: Mapped[date | None]
    #: segments claimed on that day and not given back
    used: Mapped[int] = mapped_column(server_default="0")
    #: the last day on which a message did not fit any more
    full_on: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("segments_per_second > 0", name="segments_per_second"),
        CheckConstraint("segments_per_day > 0", name="segments_per_day"),
    )


class Hold(Base):
    """A scope that waits because of a provider's code, with the fix; until its end, or lifted."""

    __tablename__ = "hold"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent_key: Mapped[int] = mapped_column(ForeignKey("agent.key", ondelete="CASCADE"))
    scope: Mapped[str]
    #: the sender's number or the country's calling code; empty for agent and account
    subject: Mapped[str] = mapped_column(server_default="")
    code: Mapped[int]
    until: Mapped[datetime | None]
    fix: Mapped[str]
    created_at: Mapped[Created]
    lifted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("scope IN ('sender', 'country', 'agent', 'account')", name="scope"),
        Index(
            "uq_hold_open",
            "agent_key",
            "scope",
            "subject",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )
