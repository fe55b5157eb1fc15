"""Numbers nobody may text. The HTTP API and the CLI call the same functions."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from scheduler.ingest import Rows, open_rows
from scheduler.ingest.columns import columns_beside, phone_index
from scheduler.ingest.numbers import Numbers
from shared.db.queries import suppressions
from shared.db.queries.audit import note
from shared.db.queries.campaigns import shut_gate
from shared.db.session import retried, transaction
from shared.domain.numbering import as_region, is_region
from shared.domain.phone import PhoneError, normalise
from shared.errors import Refused
from shared.settings import settings

#: Numbers in one transaction: while it commits no claim can.
_BATCH = 5000


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
    region = settings().default_region
    told = (
        (place, new.number, new.reason, partial(normalise, new.number, region))
        for place, new in enumerate(numbers, 1)
    )
    return _add_numbers(told, actor=actor)


def import_file(file: BinaryIO, *, filename: str, region: str | None, actor: str) -> Added:
    """Suppress every number of a CSV or XLSX file, with or without a header.

    The column is found and read as in a campaign's file, with what one of calling codes says; a
    `reason` column is kept. Raises Refused as `open_rows` does, unknown_region, and for a file
    without a phone column.
    """
    place = as_region(region or settings().default_region)
    if not is_region(place):
        raise Refused(
            "unknown_region",
            f"“{region}” is no country with phone numbers. Use two letters, such as US.",
        )
    return _add_numbers(_numbers(file, filename, region=place), actor=actor)


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


#: Where it stood, the number as written, why, and what reads it.
_Given = tuple[int, str, str | None, Callable[[], str]]


def _add_numbers(given: Iterable[_Given], *, actor: str) -> Added:
    good: dict[str, str | None] = {}
    rejected: list[dict[str, Any]] = []
    read = added = 0
    for row, number, reason, read_number in given:
        try:
            good[read_number()] = reason
            read += 1
        except PhoneError as error:
            told = {"code": error.code, "reason": error.reason, "fix": error.fix}
            rejected.append({"row": row, "value": number[:100]} | told)
        if len(good) >= _BATCH:
            added += _store(good.items(), actor=actor, source=actor)
            good.clear()
    added += _store(good.items(), actor=actor, source=actor)
    return Added(added=added, already=read - added, rejected=rejected)


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


def _numbers(file: BinaryIO, filename: str, *, region: str) -> Iterator[_Given]:
    bare = _bare_numbers(file, region)
    if bare is not None:
        yield from (
            (row, number, None, partial(normalise, number, region))
            for row, number in enumerate(bare, 1)
        )
        return
    rows = open_rows(file, filename=filename)
    phone = phone_index(rows.header, named=None, first=rows.first)
    beside = columns_beside(rows.header, phone=phone)
    numbers = Numbers(rows.header, phone=phone, region=region, beside=beside)
    reason = _reason_index(rows)
    for row, cells in rows:
        number = cells[phone] if phone < len(cells) else ""
        why = cells[reason] if reason is not None and reason < len(cells) else None
        yield row, number, why or None, partial(numbers.one, cells)


def _bare_numbers(file: BinaryIO, region: str) -> list[str] | None:
    """The lines of a file that is nothing but numbers, one a line and no header; else None."""
    first = file.readline(200).decode("utf-8-sig", "replace").strip()
    file.seek(0)
    try:
        normalise(first, region)
    except PhoneError:
        return None
    lines = file.read().decode("utf-8-sig", "replace").splitlines()
    return [cells[0] for cells in csv.reader(lines) if cells and cells[0].strip()]


def _reason_index(rows: Rows) -> int | None:
    names = [name.strip().casefold() for name in rows.header]
    return names.index("reason") if "reason" in names else None


def _refuse_scope(scope: str) -> None:
    if scope != "all":
        raise Refused(
            "not_available", "A scope other than 'all' is not available yet. Leave it out."
        )
