"""The tables. Alembic owns the schema; these classes say what it is and why."""

from shared.db.models.agents import Agent, Hold, Sender, SenderLimit
from shared.db.models.campaigns import Campaign, CampaignCount, Lane, Reject, Upload, UploadChunk
from shared.db.models.declarative import Base
from shared.db.models.messages import Attempt, Event, Message, Recipient
from shared.db.models.operations import (
    ApiKey,
    Audit,
    Callback,
    Control,
    IdempotentAnswer,
    LoopRun,
    Suppression,
)
from shared.db.models.schedulers import Lease, Scheduler

__all__ = [
    "Agent",
    "ApiKey",
    "Attempt",
    "Audit",
    "Base",
    "Callback",
    "Campaign",
    "CampaignCount",
    "Control",
    "Event",
    "Hold",
    "IdempotentAnswer",
    "Lane",
    "Lease",
    "LoopRun",
    "Message",
    "Recipient",
    "Reject",
    "Scheduler",
    "Sender",
    "SenderLimit",
    "Suppression",
    "Upload",
    "UploadChunk",
]
