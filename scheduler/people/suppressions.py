"""Numbers nobody may text. The HTTP API and the CLI call the same functions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

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
class Added:
    """What became of many numbers. `rejected`: {row, value, code, reason, fix} each."""

    added: int
    already: int
    rejected: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Imported(Added):
    """What became of a file. `read_as` says what it was taken for.

    `left_out`: {code, reason, count, rows} for rows that suppress nobody, with the first rows.
    `warnings` are as in a campaign's report; `hidden_rows` are a workbook's rows left out.
    """

    read_as: str
    left_out: list[dict[str, Any]]
    hidden_rows: int
    warnings: list[dict[str, Any]]


def add(new: NewSuppression, *, actor: str) -> tuple[dict[str, Any], bool]:
    """Suppress one number; returns it, and whether it was new.

    After this returns no claim that had not seen it can commit. Raises Refused 422 with the phone
    error's code, or not_available for a scope other than all.
    """
    _refuse_scope(new.scope)
    number = normalised(new.number)
    fresh = _store([(number, new.reason)], actor=actor, source=actor)
    return {"number": number, "scope": new.scope, "reason": new.reason}, fresh > 0


def add_all(given: Iterable[NewSuppression], *, actor: str) -> Added:
    """Suppress many. A number that cannot be read does not keep the others from being kept.

    Raises Refused 422 not_available for a scope other than all.
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
        left_out=list(adding.left_out.values()),
        hidden_rows=source.hidden_rows,
        warnings=[warning.as_dict() for warning in source.warnings.found()],
    )


def remove(number: str, *, actor: str) -> None:
    """Lift a number's suppression. Raises Refused 404 not_suppressed, 422."""
    phone = normalised(number)

    def work(connection: Connection) -> None:
        if not suppressions.remove(connection, phone):
            raise Refused(
                "not_suppressed", "This number is not on the suppression list.", status=404
            )
        note(connection, actor=actor, action="lift", subject=f"suppression:{phone}")

    retried(work)


def page(*, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Suppressions in the order of their numbers."""
    with transaction() as connection:
        return suppressions.page(connection, after=after, limit=limit)


def normalised(number: str, *, region: str | None = None) -> str:
    """The number in E.164. Raises Refused 422 with the mend."""
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
    rejected: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
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
        told = {"code": code, "reason": reason, "fix": fix}
        self.rejected.append({"row": row, "value": value[:100]} | told)

    def _leave_out(self, entry: LeftOut) -> None:
        told = self.left_out.setdefault(
            (entry.code, entry.reason),
            {"code": entry.code, "reason": entry.reason, "count": 0, "rows": []},
        )
        told["count"] += 1
        if len(told["rows"]) < _ROWS_SHOWN:
            told["rows"].append(entry.row)


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
