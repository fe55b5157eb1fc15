"""A campaign file in, accepted and rejected rows out. No database here: that is `load`."""

from scheduler.ingest.check.accepted import Accepted, AcceptedRows
from scheduler.ingest.check.pipeline import Chunk, Screen, validate
from scheduler.ingest.check.report import Report, ReportBuilder
from scheduler.ingest.check.validator import Objection, Plan
from scheduler.ingest.read.rows import Reading, Rows, open_rows
from scheduler.ingest.rejects import Reject, RejectCode, write_rejects

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
