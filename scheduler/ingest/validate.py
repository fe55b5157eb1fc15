"""Every row of a file, accepted or rejected, in chunks, with a report that grows as they pass."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from scheduler.ingest.judge import Accepted, Judge, Plan
from scheduler.ingest.rejects import Reject, RejectCode
from scheduler.ingest.report import ReportBuilder
from scheduler.ingest.rows import Rows
from scheduler.ingest.seen import Seen
from shared.domain.segments import Encoding


class Objection(NamedTuple):
    """Why a good row must not be texted all the same."""

    code: RejectCode
    reason: str
    fix: str


#: Looks accepted rows up elsewhere (suppressions, consent): row → objection.
Screen = Callable[[list[Accepted]], Mapping[int, Objection]]


@dataclass(slots=True)
class Chunk:
    """Some rows, in the file's order. `through` is the number of the last row read."""

    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)
    through: int = 0


def validate(
    rows: Rows,
    plan: Plan,
    *,
    report: ReportBuilder,
    chunk: int = 5000,
    screen: Screen | None = None,
) -> Iterator[Chunk]:
    """The file's rows in chunks of `chunk`, added to `report` as they go.

    What is wrong with the plan is Refused at once, before the first row: unknown_region,
    bad_split_at, no_phone_column, unknown_placeholder, and so on (columns, template).
    """
    seen = Seen()
    return _chunks(rows, Judge(rows, plan, seen=seen), report=report, size=chunk, screen=screen)


def _chunks(
    rows: Rows, judge: Judge, *, report: ReportBuilder, size: int, screen: Screen | None
) -> Iterator[Chunk]:
    with judge.seen:
        chunk = Chunk()
        for row, cells in rows:
            verdict = judge(row, cells)
            if isinstance(verdict, Accepted):
                chunk.accepted.append(verdict)
            else:
                chunk.rejected.append(verdict)
            chunk.through = row
            if len(chunk.accepted) + len(chunk.rejected) >= size:
                yield _counted(_screened(chunk, judge, screen=screen), report)
                chunk = Chunk()
        if chunk.through:
            yield _counted(_screened(chunk, judge, screen=screen), report)


def _screened(chunk: Chunk, judge: Judge, *, screen: Screen | None) -> Chunk:
    """The chunk with the rows that `screen` objects to among the rejected."""
    objections = screen(chunk.accepted) if screen and chunk.accepted else {}
    if not objections:
        return chunk
    refused = [
        judge.refused(row, *objections[row.row]) for row in chunk.accepted if row.row in objections
    ]
    accepted = [row for row in chunk.accepted if row.row not in objections]
    rejected = sorted([*chunk.rejected, *refused], key=attrgetter("row"))
    return Chunk(accepted, rejected, chunk.through)


def _counted(chunk: Chunk, report: ReportBuilder) -> Chunk:
    report.accept(row.segments for row in chunk.accepted)
    for row in chunk.accepted:
        if row.encoding == Encoding.UCS2 and row.body is not None:
            report.blame(row.body)
    report.reject(chunk.rejected)
    return chunk
