"""The ledger: recipients, their messages, and every call made for them.

No index contains `status`: with one, every change of status would rewrite all indexes of the row.
A nullable `due_at` marks the messages in the queue instead. There are no foreign keys between these
tables: each would cost a look-up per row of a COPY and of a claim, and only our own statements
write here.
"""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created, one_of
from shared.domain.message import AttemptStatus, MessageStatus


class Recipient(Base):
    """One person in one campaign: phone and the file's fields."""

    __tablename__ = "recipient"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    row: Mapped[int]
    #: E.164
    phone: Mapped[str]
    #: calling code without the plus, for holds that name a country
    country: Mapped[int] = mapped_column(SmallInteger)
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = (
        Index("uq_recipient_campaign_id_row", "campaign_id", "row", unique=True),
        Index("ix_recipient_phone", "phone"),
    )


class Message(Base):
    """One text to one recipient: the durable, claimable, per-recipient send job."""

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    agent_key: Mapped[int]
    recipient_id: Mapped[int] = mapped_column(BigInteger)
    #: 0 at import; each retry-failed makes a new message one round up
    round: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: the recipient's latest message: the one that counts
    latest: Mapped[bool] = mapped_column(server_default=text("true"))
    status: Mapped[str]
    #: in the queue from this instant on; set exactly while `ready`
    due_at: Mapped[datetime | None]
    #: may be composed from this instant on; set exactly while `planned`
    compose_at: Mapped[datetime | None]
    body: Mapped[str | None]
    #: where the body is cut into parts, in characters; empty for one part
    cuts: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default="{}")
    encoding: Mapped[str | None]
    segments: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: index of the part that is being sent, or comes next
    part: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: the From, chosen at the first claim (before its slot, where that has a limit) and fixed after
    #: the first accepted part
    sender: Mapped[str | None]
    #: numbers the attempts' tokens
    n: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: the number of calls that may have gone
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: of the latest attempt; a record or a return must name it
    token: Mapped[uuid.UUID | None]
    error_code: Mapped[int | None]
    error_message: Mapped[str | None]
    created_at: Mapped[Created]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", MessageStatus),
        CheckConstraint("(status = 'ready') = (due_at IS NOT NULL)", name="ready_is_due"),
        CheckConstraint("(status = 'planned') = (compose_at IS NOT NULL)", name="planned"),
        Index("uq_message_recipient_id_round", "recipient_id", "round", unique=True),
        Index("ix_message_campaign_id_id", "campaign_id", "id"),
        Index(
            "ix_message_due",
            "campaign_id",
            "agent_key",
            "due_at",
            "id",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_message_compose",
            "campaign_id",
            "compose_at",
            "id",
            postgresql_where=text("compose_at IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class Attempt(Base):
    """One call to a provider for one part: its token, its outcome, its SID."""

    __tablename__ = "attempt"

    message_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    part: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    #: part of the StatusCallback address: a callback that has it is about this call
    token: Mapped[uuid.UUID]
    status: Mapped[str] = mapped_column(server_default=AttemptStatus.SENDING)
    sid: Mapped[str | None]
    #: the account of the call; NULL on attempts from before accounts were stored
    account: Mapped[str | None]
    sender: Mapped[str | None]
    claimed_at: Mapped[datetime]
    #: the worker process, for operators
    claimed_by: Mapped[str]
    recorded_at: Mapped[datetime | None]
    #: in words: accepted, throttled, not written, fence, rejected, ambiguous, proved not gone …
    outcome: Mapped[str | None]
    http_status: Mapped[int | None] = mapped_column(SmallInteger)
    error_code: Mapped[int | None]
    error_message: Mapped[str | None]
    #: when the reconciler looks it up next; NULL when nothing is left to find
    check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    #: segments it took from its sender's day; NULL if that day has no limit
    charged: Mapped[int | None] = mapped_column(SmallInteger)

    __table_args__ = (
        one_of("status", AttemptStatus),
        Index("uq_attempt_sid", "sid", unique=True, postgresql_where=text("sid IS NOT NULL")),
        Index("ix_attempt_check_at", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class Event(Base):
    """A decision about a message that is neither an attempt nor a callback. Insert-only."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[Created]
    message_id: Mapped[int] = mapped_column(BigInteger, index=True)
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
