"""All that runs on the scheduler's own queue: imports."""

from scheduler.apart import load
from shared.db.queries.uploads import LeaseLost
from shared.errors import Refused
from shared.logging import get_logger
from shared.queue.handles import handles
from shared.queue.jobs import ImportUpload

log = get_logger(__name__)


def _import(job: ImportUpload) -> None:
    try:
        load(job.campaign_id)
    except (Refused, LeaseLost) as error:
        log.warning("import.stopped", campaign_id=job.campaign_id, reason=str(error))


import_upload = handles(ImportUpload, _import)
