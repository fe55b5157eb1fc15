"""A campaign file in, accepted and rejected rows out. No database here: that is `load`."""

from scheduler.ingest.accepted import Accepted, AcceptedRows
from scheduler.ingest.judge import Objection, Plan
from scheduler.ingest.rejects import Reject, RejectCode, write_rejects
from scheduler.ingest.report import Report, ReportBuilder
from scheduler.ingest.rows import Reading, Rows, open_rows
from scheduler.ingest.validate import Chunk, Screen, validate

__all__ = [
    "Accepted",
    "AcceptedRows",
    "Chunk",
    "Objection",
    "Plan",
    "Reading",
    "Reject",
    "RejectCode",
    "Report",
    "ReportBuilder",
    "Rows",
    "Screen",
    "open_rows",
    "validate",
    "write_rejects",
]
