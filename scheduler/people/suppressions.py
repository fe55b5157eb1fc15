"""Numbers nobody may text. The HTTP API and the CLI call the same functions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from scheduler.ingest import Reading
from scheduler.ingest.read.rows import AS_FOUND
from scheduler.people.opt_outs import LeftOut, Number, Unreadable, open_file
from shared.db.audit import note
from shared.db.session import retried, transaction
from shared.domain.numbering import as_region, is_region
from shared.domain.phone import PhoneError, normalise
from shared.errors import Refused
from shared.ledger import agents, suppressions
from shared.ledger.campaigns import shut_gate
from shared.settings import settings
from shared.views import suppressions as suppression_views
from shared.views.fields import told
from shared.views.reports import Warned
from shared.views.suppressions import Suppressed, Suppression

#: Numbers in one transaction: while it commits no claim can.
_BATCH = 5000
_ROWS_SHOWN: Final = 10
OWN_SENDER: Final = "own_sender"


class NewSuppression(BaseModel):
    """One number, as people write it."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(max_length=100)
    scope: str = Field(default="all", max_length=100)
    reason: str | None = Field(default=None, max_length=500)


@dataclass(frozen=True, slots=True)
class RejectedNumber:
    """A row that could not be read, or that names a sender of ours."""

    row: Annotated[int, told("Its place in the list, from 1, or its row in the file.", 2)]
    value: Annotated[str, told("What stands there, at most 100 characters of it.", "12")]
    code: Annotated[str, told("A word for programs.", "invalid_phone")]
    reason: Annotated[str, told("What is wrong.", "It is the rest of a number.")]
    fix: Annotated[str, told("What to do.", "Write the whole number.")]


@dataclass(frozen=True, slots=True)
class LeftOutRows:
    """Rows that suppress nobody, all for the same reason."""

    code: Annotated[str, told("A word for programs.", "not_opted_out")]
    reason: Annotated[str, told("Why.", "“opted_out”: may still be texted.")]
    count: Annotated[int, told("How many rows.", 3)]
    rows: Annotated[list[int], told("The first of them; the header is row 1.", [3, 4, 9])]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of many numbers."""

    added: Annotated[int, told("Numbers that are suppressed from now on.", 1)]
    already: Annotated[int, told("Numbers that were before.", 0)]
    rejected: list[RejectedNumber]


@dataclass(frozen=True, slots=True)
class Imported(Added):
    """What became of a file. `warnings` are as in a campaign's report."""

    read_as: Annotated[str, told("What it was taken for.", "the numbers in “phone”")]
    left_out: list[LeftOutRows]
    hidden_rows: Annotated[int, told("Rows that the workbook hides, left out.", 0)]
    warnings: list[Warned]


def add(new: NewSuppression, *, actor: str) -> tuple[Suppressed, bool]:
    """Suppress one number; returns it, and whether it was new.

    After this returns no claim that had not seen it can commit. Raises Refused with the phone
    error's code, or not_available for a scope other than all.
    """
    _refuse_scope(new.scope)
    number = normalised(new.number)
    fresh = _store([(number, new.reason)], actor=actor, source=actor)
    return Suppressed(number=number, scope=new.scope, reason=new.reason), fresh > 0


def add_all(given: Iterable[NewSuppression], *, actor: str) -> Added:
    """Suppress many. A number that cannot be read does not keep the others from being kept.

    Raises Refused not_available for a scope other than all.
    """
    numbers = list(given)
    for new in numbers:
        _refuse_scope(new.scope)
    country = settings().default_region
    adding = _Adding(region=country, actor=actor, senders=_own_senders())
    for place, new in enumerate(numbers, 1):
        adding.take(Number(place, new.number, new.reason))
    return Added(adding.finish(), adding.already, adding.rejected)


def import_file(  # noqa: PLR0913  (all that may be said about a file)
    file: BinaryIO,
    *,
    filename: str,
    region: str | None,
    actor: str,
    phone_column: str | None = None,
    reading: Reading = AS_FOUND,
    own_senders: bool = False,
) -> Imported:
    """Suppress whom a CSV or XLSX file says has opted out.

    A list suppresses every number in it; a file with a column such as opted_out those for whom it
    says so; a message log those who sent a stop word. A `reason` column is kept. Our own senders
    are rejected unless `own_senders`. Raises Refused as `optouts.open_file` does, and
    unknown_region; then nothing was suppressed.
    """
    country = as_region(region or settings().default_region)
    if not is_region(country):
        raise Refused(
            "unknown_region",
            f"“{country}” is no country with phone numbers. Use two letters, such as US.",
        )
    source = open_file(
        file, filename=filename, region=country, phone_column=phone_column, reading=reading
    )
    adding = _Adding(region=country, actor=actor, senders={} if own_senders else _own_senders())
    for entry in source.entries():
        adding.take(entry)
    added = adding.finish()
    return Imported(
        added=added,
        already=adding.already,
        rejected=adding.rejected,
        read_as=source.read_as,
        left_out=adding.left_out_rows(),
        hidden_rows=source.hidden_rows,
        warnings=[Warned(**warning.as_dict()) for warning in source.warnings.found()],
    )


def remove(number: str, *, actor: str) -> None:
    """Lift a number's suppression. Raises Refused: not_suppressed, or why it is no number."""
    phone = normalised(number)

    def work(connection: Connection) -> None:
        if not suppressions.remove(connection, phone):
            raise Refused("not_suppressed", "This number is not on the suppression list.")
        note(connection, actor=actor, action="lift", subject=f"suppression:{phone}")

    retried(work)


def page(*, after: str = "", limit: int = 100) -> list[Suppression]:
    """Suppressions in the order of their numbers."""
    with transaction() as connection:
        return suppression_views.page(connection, after=after, limit=limit)


def normalised(number: str, *, region: str | None = None) -> str:
    """The number in E.164. Raises Refused with the mend."""
    try:
        return normalise(number, region or settings().default_region)
    except PhoneError as error:
        raise Refused(error.code, f"{error.reason} {error.fix}") from None


@dataclass(slots=True)
class _Adding:
    """Takes numbers one by one and suppresses them some thousands at a time.

    `senders` are the numbers that are not to be suppressed, with the agent that speaks from each.
    """

    region: str
    actor: str
    senders: dict[str, str]
    read: int = 0
    added: int = 0
    rejected: list[RejectedNumber] = field(default_factory=list)
    left_out: dict[tuple[str, str], tuple[int, list[int]]] = field(default_factory=dict)
    _waiting: dict[str, str | None] = field(default_factory=dict)

    @property
    def already(self) -> int:
        return self.read - self.added

    def take(self, entry: Number | LeftOut | Unreadable) -> None:
        """One row, or one number of a list."""
        if isinstance(entry, LeftOut):
            self._leave_out(entry)
        elif isinstance(entry, Unreadable):
            self._reject(*entry)
        else:
            self._suppress(entry)

    def finish(self) -> int:
        """Store what waits; returns how many numbers were not suppressed before."""
        self.added += _store(self._waiting.items(), actor=self.actor, source=self.actor)
        self._waiting.clear()
        return self.added

    def _suppress(self, entry: Number) -> None:
        try:
            phone = entry.read() if entry.read else normalise(entry.number, self.region)
        except PhoneError as error:
            self._reject(entry.row, entry.number, error.code, error.reason, error.fix)
            return
        if phone in self.senders:
            reason = f"It is a number that agent {self.senders[phone]} sends from."
            fix = "If it is meant, suppress it alone; an import takes it with --yes."
            self._reject(entry.row, entry.number, OWN_SENDER, reason, fix)
            return
        self.read += 1
        self._waiting[phone] = entry.why
        if len(self._waiting) >= _BATCH:
            self.finish()

    def _reject(self, row: int, value: str, code: str, reason: str, fix: str) -> None:
        self.rejected.append(RejectedNumber(row, value[:100], code, reason, fix))

    def _leave_out(self, entry: LeftOut) -> None:
        count, rows = self.left_out.get((entry.code, entry.reason), (0, []))
        if len(rows) < _ROWS_SHOWN:
            rows.append(entry.row)
        self.left_out[entry.code, entry.reason] = (count + 1, rows)

    def left_out_rows(self) -> list[LeftOutRows]:
        """The rows that suppress nobody, by reason."""
        return [
            LeftOutRows(code, reason, count, rows)
            for (code, reason), (count, rows) in self.left_out.items()
        ]


def _own_senders() -> dict[str, str]:
    with transaction() as connection:
        return agents.sender_numbers(connection)


def _store(numbers: Iterable[tuple[str, str | None]], *, actor: str, source: str) -> int:
    listed = list(numbers)
    if not listed:
        return 0

    def work(connection: Connection) -> int:
        added = suppressions.add(connection, listed, scope="all", source=source)
        subject = f"suppression:{listed[0][0]}" if len(listed) == 1 else "suppressions"
        note(connection, actor=actor, action="add", subject=subject, details={"new": len(added)})
        shut_gate(connection)
        return len(added)

    return retried(work)


def _refuse_scope(scope: str) -> None:
    if scope != "all":
        raise Refused(
            "not_available", "A scope other than 'all' is not available yet. Leave it out."
        )
