"""All that runs on the scheduler's own queue: imports."""

from scheduler.apart import load
from scheduler.ingest.load import stopping
from scheduler.ingest.turns import Turn, import_waiting
from shared.db.queries import uploads
from shared.db.session import transaction
from shared.queue.handles import handles
from shared.queue.jobs import ImportUpload


def _import(job: ImportUpload) -> None:
    """A job is a hint that something waits: which goes first, the ledger says."""
    with transaction() as connection:
        uploads.offer(connection, job.campaign_id)
    import_waiting(load, Turn(quick=True), stopped=stopping.is_set)


import_upload = handles(ImportUpload, _import)
