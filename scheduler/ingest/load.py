"""Load a campaign's file: validate it as it streams, COPY each chunk, remember how far it got.

An import that was killed is taken up again by whoever finds its lease run out: the file is read
from its start, and what was committed is passed over.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, BinaryIO, cast

import orjson
from sqlalchemy import Connection

from scheduler.ingest.judge import Accepted, Plan
from scheduler.ingest.rejects import Reject, RejectCode
from scheduler.ingest.report import ReportBuilder
from scheduler.ingest.rows import open_rows
from scheduler.ingest.validate import Chunk, Objection, validate
from shared.db.queries import uploads
from shared.db.queries.retries import new_ids
from shared.db.session import transaction
from shared.domain.country import country_of
from shared.errors import Refused
from shared.logging import get_logger

log = get_logger(__name__)

#: Rows in a chunk: one transaction, and what a killed import does again at the most.
CHUNK = 5000
#: How long an importer may be silent before another takes over.
LEASE = timedelta(seconds=30)


def load(campaign_id: int) -> bool:
    """Import the campaign's file, if nobody else is at it; False when somebody is, or it is done.

    A file that cannot be read at all cancels the campaign with the reason, and raises Refused.
    """
    with transaction() as connection:
        job = uploads.lease(connection, campaign_id, LEASE)
    if job is None:
        return False
    try:
        _import(job)
    except Refused as refused:
        with transaction() as connection:
            uploads.refuse(connection, job, f"{refused.message}")
        raise
    return True


def _import(job: uploads.ImportJob) -> None:
    with _spooled(job.upload_id) as file:
        rows = open_rows(file, filename=job.filename)
        report = ReportBuilder(
            encoding=rows.encoding, rate=job.rate, smart_encoded=job.smart_encoded
        )
        dealer = Dealer(job.agents)
        plan = _plan(job)
        for chunk in validate(rows, plan, report=report, chunk=CHUNK, screen=_screen):
            lanes = [dealer.deal() for _ in chunk.accepted]
            if chunk.through <= job.loaded_row:
                continue
            with transaction() as connection:
                uploads.renew(connection, job, through=chunk.through, lease=LEASE)
                _store(connection, job, chunk, lanes)
        with transaction() as connection:
            finished = report.report().as_dict()
            uploads.finish(connection, job, report=finished, header=list(rows.header))
    log.info("import.finished", campaign_id=job.campaign_id, rows=finished["rows"])


class Dealer:
    """Deals recipients to agents in proportion to their rates; the same deal every time."""

    def __init__(self, agents: Sequence[tuple[int, float]]) -> None:
        self._agents = agents
        self._dealt = [0] * len(agents)

    def deal(self) -> int:
        """The key of the agent who speaks to the next recipient."""
        if len(self._agents) == 1:
            return self._agents[0][0]
        # Who would be done first with one more.
        next_one = min(
            range(len(self._agents)), key=lambda i: (self._dealt[i] + 1) / self._agents[i][1]
        )
        self._dealt[next_one] += 1
        return self._agents[next_one][0]


def _plan(job: uploads.ImportJob) -> Plan:
    return Plan(
        template=job.settings["template"],
        region=job.settings["region"],
        phone_column=job.settings.get("phone_column"),
        timezone_column=job.settings.get("timezone_column"),
        split_at=job.settings["split_at"],
        smart_encoded=job.smart_encoded,
        rate=job.rate,
    )


def _screen(rows: list[Accepted]) -> dict[int, Objection]:
    """Rows whose number is suppressed."""
    with transaction() as connection:
        suppressed = uploads.suppressed(connection, [row.phone for row in rows])
    objection = Objection(
        RejectCode.SUPPRESSED,
        "This number is on the suppression list.",
        "Leave it out; if the person asked to be texted again, remove the suppression first.",
    )
    return {row.row: objection for row in rows if row.phone in suppressed}


_RECIPIENTS = "COPY recipient (id, campaign_id, row, phone, country, fields) FROM STDIN"
_MESSAGES = """
    COPY message (id, campaign_id, agent_key, recipient_id, status, due_at, compose_at, body, cuts,
                  encoding, segments) FROM STDIN
"""
_REJECTS = """
    COPY reject (campaign_id, "row", "column", value, code, reason, fix, cells) FROM STDIN
"""


def _store(
    connection: Connection, job: uploads.ImportJob, chunk: Chunk, lanes: Sequence[int]
) -> None:
    ids = new_ids(connection, len(chunk.accepted)) if chunk.accepted else []
    composed = job.mode == "direct"
    _copy(connection, _RECIPIENTS, _recipients(job.campaign_id, ids, chunk.accepted))
    _copy(
        connection,
        _MESSAGES,
        (
            _message(job.campaign_id, message_id, row, agent=agent, composed=composed)
            for message_id, row, agent in zip(ids, chunk.accepted, lanes, strict=True)
        ),
    )
    _copy(connection, _REJECTS, _rejects(job.campaign_id, chunk.rejected))


def _recipients(
    campaign_id: int, ids: Sequence[int], rows: Sequence[Accepted]
) -> Iterator[tuple[Any, ...]]:
    for recipient_id, row in zip(ids, rows, strict=True):
        fields = orjson.dumps(row.fields).decode()
        yield recipient_id, campaign_id, row.row, row.phone, country_of(row.phone), fields


def _message(
    campaign_id: int, message_id: int, row: Accepted, *, agent: int, composed: bool
) -> tuple[Any, ...]:
    """A message of an accepted row: ready with its words, or planned to get them."""
    ids = (message_id, campaign_id, agent, message_id)
    if composed:
        cuts = "{" + ",".join(map(str, row.cuts)) + "}"
        return *ids, "ready", "now", None, row.body, cuts, row.encoding, row.segments
    return *ids, "planned", None, "now", None, "{}", None, 0


def _rejects(campaign_id: int, rejects: Iterable[Reject]) -> Iterator[tuple[Any, ...]]:
    for r in rejects:
        cells = [_storable(cell) for cell in r.cells]
        yield (
            campaign_id,
            r.row,
            _storable(r.column),
            _storable(r.value),
            r.code.value if isinstance(r.code, RejectCode) else r.code,
            r.reason,
            r.fix,
            cells,
        )


def _storable(text: str) -> str:
    """Postgres keeps no NUL and no lone surrogate."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _copy(connection: Connection, statement: str, records: Iterable[tuple[Any, ...]]) -> None:
    raw = cast(Any, connection.connection.driver_connection)
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for record in records:
            copy.write_row(record)


@contextmanager
def _spooled(upload_id: int) -> Iterator[BinaryIO]:
    """The upload's bytes as a file that can seek, in short transactions."""
    with tempfile.TemporaryFile() as file:
        for piece in uploads.chunks(upload_id):
            file.write(piece)
        file.seek(0)
        yield cast(BinaryIO, file)
