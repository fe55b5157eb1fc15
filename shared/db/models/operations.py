"""Callbacks, suppressions, the sending switch, loop runs, keys, the audit, idempotent answers."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created


class Callback(Base):
    """A provider's callback, raw and never deleted, with what we read in it."""

    __tablename__ = "callback"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    received_at: Mapped[Created]
    provider: Mapped[str]
    message_id: Mapped[int | None] = mapped_column(BigInteger)
    part: Mapped[int | None] = mapped_column(SmallInteger)
    token: Mapped[uuid.UUID | None]
    sid: Mapped[str | None]
    status: Mapped[str]
    rank: Mapped[int] = mapped_column(SmallInteger)
    error_code: Mapped[int | None]
    raw: Mapped[str]
    #: the account whose token signed it; empty on those applied before accounts were stored
    account: Mapped[str]
    #: when it was applied; it changes nothing if it is a stranger's
    applied: Mapped[bool] = mapped_column(server_default=text("false"))
    #: another account than the call's signed it: it changed nothing
    stranger: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("ix_callback_waiting", "seq", postgresql_where=text("NOT applied")),
        Index("ix_callback_message_id", "message_id"),
        Index("ix_callback_stranger", "received_at", postgresql_where=text("stranger")),
    )


class Suppression(Base):
    """A number we must not text, with source and time."""

    __tablename__ = "suppression"

    phone: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True, server_default="all")
    reason: Mapped[str | None]
    source: Mapped[str]
    created_at: Mapped[Created]


class Control(Base):
    """One row: the switch that stops all sending."""

    __tablename__ = "control"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[str | None]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class LoopRun(Base):
    """When a repair loop last ran, in any process."""

    __tablename__ = "loop_run"

    name: Mapped[str] = mapped_column(primary_key=True)
    last_run: Mapped[datetime]


class ApiKey(Base):
    """A key to the API: only its hash is stored."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    #: the first and last characters, so that people can tell keys apart
    shown: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="role"),)


class Audit(Base):
    """Who did what, when."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[Created]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)


class IdempotentAnswer(Base):
    """The answer to a POST with an Idempotency-Key; a repeated POST gets it again."""

    __tablename__ = "idempotent_answer"

    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Created]
