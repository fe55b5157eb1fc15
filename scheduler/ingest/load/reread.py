"""A stored file read once more, after its import: all its rejects, as they were counted then."""

from collections.abc import Iterator

from scheduler.ingest import uploads
from scheduler.ingest.check.pipeline import validate
from scheduler.ingest.check.report import ReportBuilder
from scheduler.ingest.load.importer import CHUNK, plan_of, reading_of, spooled
from scheduler.ingest.load.screening import AsItWas
from scheduler.ingest.read.rows import open_rows
from scheduler.ingest.rejects import Reject
from shared.db.session import transaction
from shared.ledger import screened


def rejected_again(job: uploads.ImportJob) -> Iterator[Reject]:
    """The rows of the campaign's file that did not become recipients, in the file's order.

    Takes as much memory as an import, and no transaction longer than a chunk's.
    """
    with spooled(job.upload_id) as file:
        rows = open_rows(file, filename=job.filename, reading=reading_of(job))
        report = ReportBuilder.of(rows, rate=job.rate, smart_encoded=job.smart_encoded)
        as_it_was = AsItWas(job.campaign_id)
        for chunk in validate(rows, plan_of(job), report=report, chunk=CHUNK, screen=as_it_was):
            if chunk.rejected:
                first = chunk.rejected[0].row
                with transaction() as connection:
                    had = screened.recipients(
                        connection, job.campaign_id, first=first, last=chunk.through
                    )
                yield from (reject for reject in chunk.rejected if reject.row not in had)
