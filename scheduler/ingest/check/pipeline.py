"""Every row of a file, accepted or rejected, in chunks, with a report that grows as they pass."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from scheduler.ingest.check.accepted import AcceptedRows
from scheduler.ingest.check.dedup import Seen
from scheduler.ingest.check.report import ReportBuilder
from scheduler.ingest.check.validator import Judge, Objection, Plan
from scheduler.ingest.read.rows import Rows
from scheduler.ingest.read.table import sized
from scheduler.ingest.rejects import Reject
from shared.domain.segments import Encoding
from shared.errors import Refused

#: Looks accepted rows up elsewhere (suppressions, consent): row → objection. On another thread.
Screen = Callable[[AcceptedRows], Mapping[int, Objection]]


@dataclass(slots=True)
class Chunk:
    """Some rows, in the file's order. `through` is the number of the last row read, `screened` the
    rejected ones that the file itself gave no reason for.
    """

    accepted: AcceptedRows
    rejected: list[Reject]
    through: int
    screened: frozenset[int] = frozenset()

    def behind(self, row: int) -> "Chunk":
        """What of it comes after that row of the file."""
        rejected = [reject for reject in self.rejected if reject.row > row]
        return Chunk(self.accepted.behind(row), rejected, self.through)


def validate(
    rows: Rows,
    plan: Plan,
    *,
    report: ReportBuilder,
    chunk: int = 5000,
    screen: Screen | None = None,
) -> Generator[Chunk, None, None]:
    """The file's rows in chunks of `chunk`, added to `report` as they go.

    What is wrong with the plan is Refused at once, before the first row: unknown_region,
    bad_split_at, no_phone_column, unknown_placeholder, and so on (columns, template).
    """
    seen = Seen()
    try:
        judge = Judge(rows, plan, seen=seen)
    except Refused as refused:
        raise _placed(refused, rows.place) from refused
    return _chunks(rows, judge, report=report, size=chunk, screen=screen)


_ABOUT_COLUMNS: Final = frozenset(
    [
        *("no_phone_column", "no_header", "which_phone_column"),
        *("unknown_column", "ambiguous_column", "unknown_placeholder", "ambiguous_placeholder"),
    ]
)


def _placed(refused: Refused, place: str) -> Refused:
    """The refusal with the place of the header, where a workbook leaves a choice."""
    if not place or refused.code not in _ABOUT_COLUMNS:
        return refused
    message = f"{refused.message} The columns' names were taken from {place}."
    return Refused(refused.code, message, details=refused.details)


def _chunks(
    rows: Rows, judge: Judge, *, report: ReportBuilder, size: int, screen: Screen | None
) -> Generator[Chunk, None, None]:
    with judge.seen:
        judged = (Chunk(*judge(table), table.numbers[-1]) for table in sized(rows.tables(), size))
        for chunk, objections in _looked_up(judged, screen):
            report.hidden_rows = rows.hidden_rows
            yield _counted(_screened(chunk, judge, objections), report)
        report.hidden_rows = rows.hidden_rows  # those at the file's end too


def _looked_up(
    chunks: Iterator[Chunk], screen: Screen | None
) -> Iterator[tuple[Chunk, Mapping[int, Objection]]]:
    """Each chunk with the objections to it: found out while the next one is judged."""
    if screen is None:
        yield from ((chunk, {}) for chunk in chunks)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="screen") as thread:
        asked: deque[tuple[Chunk, Future[Mapping[int, Objection]]]] = deque()
        for chunk in chunks:
            asked.append((chunk, thread.submit(screen, chunk.accepted)))
            if len(asked) > 1:
                former, answer = asked.popleft()
                yield former, answer.result()
        for chunk, answer in asked:
            yield chunk, answer.result()


def _screened(chunk: Chunk, judge: Judge, objections: Mapping[int, Objection]) -> Chunk:
    """The chunk with the rows that are objected to among the rejected."""
    if not objections:
        return chunk
    rows = chunk.accepted
    refused = {index: objections[row] for index, row in enumerate(rows.rows) if row in objections}
    rejected = sorted([*chunk.rejected, *judge.refused(rows, refused)], key=attrgetter("row"))
    screened = frozenset(rows.rows[index] for index in refused)
    return Chunk(rows.without(refused), rejected, chunk.through, screened)


def _counted(chunk: Chunk, report: ReportBuilder) -> Chunk:
    rows = chunk.accepted
    report.accept(rows.segments)
    if Encoding.UCS2 in set(rows.encodings):
        for row, body, encoding in zip(rows.rows, rows.bodies or (), rows.encodings, strict=False):
            if encoding == Encoding.UCS2:
                report.blame(body, row=row)
    report.reject(chunk.rejected)
    return chunk
