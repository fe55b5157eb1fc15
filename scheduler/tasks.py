"""All that runs on the scheduler's own queue: imports."""

from scheduler.import_process import load
from scheduler.ingest import uploads
from scheduler.ingest.load.importer import stopping
from scheduler.ingest.load.turns import Turn, import_waiting
from shared.db.session import transaction
from shared.queue.handles import handles
from shared.queue.jobs import ImportUpload


def _import(job: ImportUpload) -> None:
    """A job is a hint that something waits: which goes first, the ledger says."""
    with transaction() as connection:
        uploads.offer(connection, job.campaign_id)
    import_waiting(load, Turn(quick=True), stopped=stopping.is_set)


import_upload = handles(ImportUpload, _import)
