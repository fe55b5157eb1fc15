"""What is to be sent: uploads, campaigns, their lanes, rejects and counts."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.declarative import Base, Created, one_of
from shared.domain.campaign import CampaignStatus


class Upload(Base):
    """A campaign file as it came, and how far its import got."""

    __tablename__ = "upload"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    filename: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    #: the last row whose chunk is committed; an interrupted import goes on behind it
    loaded_row: Mapped[int] = mapped_column(server_default="0")
    #: an importer that lives renews it; one that has run out may be taken over
    lease_until: Mapped[datetime | None]
    header: Mapped[list[str] | None] = mapped_column(JSONB)
    created_at: Mapped[Created]


class UploadChunk(Base):
    """The bytes of an upload, kept in Postgres so that any scheduler can import them."""

    __tablename__ = "upload_chunk"

    upload_id: Mapped[int] = mapped_column(
        ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bytes: Mapped[bytes] = mapped_column(LargeBinary)


class Campaign(Base):
    """A text, an audience, agents and a time window."""

    __tablename__ = "campaign"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=CampaignStatus.DRAFT)
    #: why it is paused, or why its import was refused
    reason: Mapped[str | None]
    mode: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: of the file's bytes and the settings: the same upload again is the same campaign
    fingerprint: Mapped[str] = mapped_column(unique=True)
    upload_id: Mapped[int | None] = mapped_column(ForeignKey("upload.id"))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    send_before: Mapped[datetime | None]
    scheduled_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (one_of("status", CampaignStatus),)


class Lane(Base):
    """One campaign on one agent: the unit of dispatch and of fairness."""

    __tablename__ = "lane"

    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True
    )
    agent_key: Mapped[int] = mapped_column(ForeignKey("agent.key"), primary_key=True)

    __table_args__ = (Index("ix_lane_agent_key", "agent_key"),)


class Reject(Base):
    """A row that did not become a recipient: where, what, why, and what to do about it."""

    __tablename__ = "reject"

    campaign_id: Mapped[int] = mapped_column(
        ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True
    )
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    column: Mapped[str | None]
    value: Mapped[str | None]
    code: Mapped[str]
    reason: Mapped[str]
    fix: Mapped[str]
    cells: Mapped[list[str]] = mapped_column(ARRAY(Text))


class CampaignCount(Base):
    """Insert-only deltas of messages by status, written by a trigger, folded by the sweep.

    The table has no unique key on purpose: two transactions never wait for each other to count.
    """

    __tablename__ = "campaign_count"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    campaign_id: Mapped[int]
    status: Mapped[str]
    messages: Mapped[int] = mapped_column(BigInteger)
    segments: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_campaign_count_campaign_id", "campaign_id"),)
