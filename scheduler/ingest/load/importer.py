"""Load a campaign's file: validate it as it streams, store each chunk, remember how far it got.

A chunk is stored on a thread of its own (`store`) while the next one is validated. An import that
was killed is taken up again by whoever finds its lease run out: the file is read from its start,
and what was committed is passed over.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from heapq import heapify, heapreplace
from typing import BinaryIO, cast

from scheduler.ingest import uploads
from scheduler.ingest.check.pipeline import Chunk, validate
from scheduler.ingest.check.report import ReportBuilder
from scheduler.ingest.check.validator import Plan
from scheduler.ingest.load.chunk_writer import Lines, Store
from scheduler.ingest.load.copy_text import message_lines, recipient_lines, reject_lines
from scheduler.ingest.load.kept_rejects import Kept
from scheduler.ingest.load.screening import Screening
from scheduler.ingest.load.turns import Turn
from scheduler.ingest.read.columns import told_apart
from scheduler.ingest.read.rows import Reading, open_rows
from scheduler.ingest.resource_limits import Metered
from shared.db.session import transaction
from shared.errors import Refused
from shared.ledger.retries import new_ids
from shared.logging import get_logger

log = get_logger(__name__)

#: Rows in a chunk: one transaction, and what a killed import does again at the most.
CHUNK = 5000
#: How long an importer may be silent before another takes over.
LEASE = timedelta(seconds=30)
#: Set when this process is to end: an import ends behind the chunk in hand, for another to go on.
stopping = threading.Event()


def load(
    campaign_id: int, turn: Turn | None = None, *, leased: Callable[[], object] = lambda: None
) -> bool:
    """Import the campaign's file, if nobody else is at it; False when somebody is, or it is done,
    or left to another since this process is to end or its `turn` is over. In this process:
    `scheduler.import_process` has a child do it. `leased` is called as soon as the import is ours.

    A file that cannot be read at all cancels the campaign with the reason, and raises Refused.
    Raises LeaseLost where another has taken the import over, or the campaign was cancelled.
    """
    if stopping.is_set():
        return False
    with transaction() as connection:
        job = uploads.lease(connection, campaign_id, LEASE)
    if job is None:
        return False
    leased()
    try:
        whole = _import(job, turn)
    except Refused as refused:
        with transaction() as connection:
            uploads.refuse(connection, campaign_id, refused.message)
        raise
    if not whole:
        with transaction() as connection:
            uploads.give_back(connection, job)
        log.info("import.left", campaign_id=campaign_id)
    return whole


def _import(job: uploads.ImportJob, turn: Turn | None = None) -> bool:
    with spooled(job.upload_id) as file:
        rows = open_rows(file, filename=job.filename, reading=reading_of(job))
        report = ReportBuilder.of(rows, rate=job.rate, smart_encoded=job.smart_encoded)
        dealer = Dealer(job.agents)
        screen = Screening(rows, campaign_id=job.campaign_id, loaded_row=job.loaded_row)
        chunks = validate(rows, plan_of(job), report=report, chunk=CHUNK, screen=screen)
        kept = Kept()
        # Closed here, and not by the garbage collector in whatever thread it runs.
        with closing(chunks), Store(job, lease=LEASE) as store:
            for chunk in chunks:
                if stopping.is_set():
                    return False
                agents = dealer.deal(len(chunk.accepted))
                chunk.rejected = kept.of(chunk)
                if chunk.through > job.loaded_row:
                    lines = _lines(job, chunk.behind(job.loaded_row), agents)
                    store.put(lines, progress=report.report().as_dict())
                if turn and turn.is_over(chunk.through, since=job.loaded_row):
                    return False
        with transaction() as connection:
            finished = report.report().as_dict()
            header = told_apart(rows.header)
            uploads.finish(connection, job, report=finished, header=header, keep=kept.left_out)
    log.info("import.finished", campaign_id=job.campaign_id, rows=finished["rows"])
    return True


class Dealer:
    """Deals recipients to agents in proportion to their rates; the same deal every time."""

    def __init__(self, agents: Sequence[tuple[int, float]]) -> None:
        self._agents = agents
        self._dealt = [0] * len(agents)
        #: when each would be done with one more, the soonest first
        self._next = [(1 / rate, i) for i, (_, rate) in enumerate(agents)]
        heapify(self._next)

    def deal(self, count: int) -> list[int]:
        """The keys of the agents who speak to the next recipients."""
        if len(self._agents) == 1:
            return [self._agents[0][0]] * count
        return [self._deal() for _ in range(count)]

    def _deal(self) -> int:
        _, chosen = self._next[0]
        key, rate = self._agents[chosen]
        self._dealt[chosen] += 1
        heapreplace(self._next, ((self._dealt[chosen] + 1) / rate, chosen))
        return key


def reading_of(job: uploads.ImportJob) -> Reading:
    """How the campaign's file is to be read."""
    return Reading(
        encoding=job.settings.get("encoding"),
        delimiter=job.settings.get("delimiter"),
        include_hidden=bool(job.settings.get("include_hidden")),
    )


def plan_of(job: uploads.ImportJob) -> Plan:
    """How its texts are to be written."""
    return Plan(
        template=job.settings["template"],
        region=job.settings["region"],
        phone_column=job.settings.get("phone_column"),
        timezone_column=job.settings.get("timezone_column"),
        split_at=job.settings["split_at"],
        smart_encoded=job.smart_encoded,
        rate=job.rate,
    )


def _lines(job: uploads.ImportJob, chunk: Chunk, agents: Sequence[int]) -> Lines:
    """The chunk as it will be stored. `agents` speak to its rows and to those before them."""
    rows = chunk.accepted
    rejects = reject_lines(job.campaign_id, chunk.rejected)
    if not len(rows):
        return Lines(chunk.through, b"", b"", rejects)
    with transaction() as connection:
        ids = list(map(str, new_ids(connection, len(rows))))
    composed = job.mode == "direct"
    keys = list(map(str, agents[len(agents) - len(rows) :]))
    return Lines(
        chunk.through,
        recipient_lines(job.campaign_id, ids, rows),
        message_lines(job.campaign_id, ids, rows, agents=keys, composed=composed),
        rejects,
    )


@contextmanager
def spooled(upload_id: int) -> Iterator[BinaryIO]:
    """The upload's bytes as a file that can seek, in short transactions."""
    with tempfile.TemporaryFile() as file:
        for piece in uploads.chunks(upload_id):
            file.write(piece)
        file.seek(0)
        yield cast(BinaryIO, Metered(file))
