"""The verdict on rows: accepted with their texts written and measured, or rejected for one fault.

The fault is the first of: rows inside a cell, encoding, control characters, number of columns,
phone number, duplicate, missing value, length. A number belongs to the first row *accepted* with
it: a row rejected for another fault does not stand in the way of a later good one.

Rows are judged as columns, since nearly all of them are alike; only the odd ones one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scheduler.ingest.check.accepted import AcceptedRows
from scheduler.ingest.check.dedup import Seen
from scheduler.ingest.check.numbers import Numbers
from scheduler.ingest.check.row_errors import (
    Unfit,
    fitted,
    readable,
    refuse_unchanged,
    refuse_unreadable,
)
from scheduler.ingest.check.texts import Texts, Writer, no_texts
from scheduler.ingest.read.columns import columns_beside, named_index, phone_index, told_apart
from scheduler.ingest.read.rows import Rows
from scheduler.ingest.read.swallowed_rows import in_one_line, refuse_swallowed
from scheduler.ingest.read.table import Table
from scheduler.ingest.rejects import Reject, RejectCode, Returned
from shared.domain.handset import handsets
from shared.domain.numbering import as_region, is_region
from shared.domain.phone import PhoneError
from shared.domain.template import Template
from shared.errors import Refused

Faults = dict[int, PhoneError | Unfit]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is to be read and its texts written.

    `template` is the message (direct mode), the opener's template, or None when the words come
    later. `rate` is the session starts a second of all the campaign's agents together.
    """

    template: str | None = None
    region: str = "US"
    phone_column: str | None = None
    timezone_column: str | None = None
    split_at: int = 1600
    smart_encoded: bool = False
    rate: float = 1.0


class Objection(NamedTuple):
    """Why a good row must not be texted all the same."""

    code: RejectCode
    reason: str
    fix: str


class Judge:
    """Accepts or rejects rows, table by table, in the file's order."""

    def __init__(self, rows: Rows, plan: Plan, *, seen: Seen) -> None:
        region = as_region(plan.region)
        if not is_region(region):
            raise Refused(
                "unknown_region",
                f"“{plan.region}” is no country with phone numbers. Use two letters, such as US.",
            )
        if not 1 <= plan.split_at <= 1600:
            raise Refused("bad_split_at", "split_at must be between 1 and 1600 characters.")
        header = rows.header
        self.seen = seen
        self._header = header
        self._names = told_apart(header)
        self._suspect = rows.suspect
        self._delimited = rows.delimiter is not None
        self._phone = phone_index(header, named=plan.phone_column, first=rows.first)
        beside = columns_beside(header, phone=self._phone)
        self._numbers = Numbers(
            header, phone=self._phone, region=region, beside=beside, warnings=rows.warnings
        )
        named_index(header, plan.timezone_column)
        self._writer: Writer | None = None
        if plan.template is not None:
            self._writer = Writer(
                Template(plan.template),
                header,
                limit=plan.split_at,
                smart_encoded=plan.smart_encoded,
            )

    def __call__(self, table: Table) -> tuple[AcceptedRows, list[Reject]]:
        """The verdict on the next rows of the file."""
        faults: Faults = {}
        columns = self._fitting_columns(table, faults)
        phones = self._phones(columns, faults)
        columns = [list(map(str.strip, column)) for column in columns]
        columns[self._phone] = phones
        count = len(table)
        texts = self._writer.write(columns, count) if self._writer else no_texts(count)
        accepted = AcceptedRows(
            names=self._names,
            rows=table.numbers,
            phones=phones,
            columns=columns,
            bodies=texts.bodies,
            encodings=texts.encodings,
            segments=texts.segments,
            cuts={table.numbers[index]: cuts for index, cuts in texts.cuts.items()},
        )
        self._refuse_later_faults(accepted, faults, texts)
        if faults:
            accepted = accepted.without(faults)
        return accepted, self._rejected(table, faults)

    def refused(self, rows: AcceptedRows, objections: Mapping[int, Objection]) -> list[Reject]:
        """Accepted rows, by index, that were objected to afterwards. Their numbers stay taken."""
        column = self._header[self._phone]
        return [
            Reject(rows.rows[at], column, rows.phones[at], str(o.code), o.reason, o.fix, cells)
            for (at, o), cells in zip(objections.items(), rows.cells(objections), strict=True)
        ]

    def _rejected(self, table: Table, faults: Faults) -> list[Reject]:
        indexes = sorted(faults)
        rejects = []
        for index, cells in zip(indexes, table.some(indexes), strict=True):
            fault = faults[index]
            at = fault.index if isinstance(fault, Unfit) else self._phone
            column = self._header[at] if at is not None and at < len(self._header) else ""
            value = cells[at] if at is not None and at < len(cells) else ""
            if fault.code == RejectCode.OPEN_QUOTE:  # in the reject file its rows stand once
                value = in_one_line(value)
            number, why = table.numbers[index], (fault.code, fault.reason, fault.fix)
            rejects.append(Reject(number, column, value, *why, list(cells)))
        return rejects

    def _fitting_columns(self, table: Table, faults: Faults) -> list[list[str]]:
        """As many columns as the header has, blank for the rows that cannot be made to fit."""
        width = len(self._header)
        odd = dict.fromkeys(table.odd)
        for column in table.columns[width:]:
            odd |= dict.fromkeys(i for i, cell in enumerate(column) if cell.strip())
        odd |= dict.fromkeys(table.spanning)
        if self._suspect and not all(map(readable, table.columns)):
            odd = dict.fromkeys(range(len(table)))
        columns = table.columns[:width]
        if odd:
            columns = list(map(list, columns))
        for index in odd:
            try:
                fit = self._made_fit(table.cells(index), line=table.spanning.get(index))
            except (PhoneError, Unfit) as fault:
                faults[index] = fault
                fit = [""] * width
            for column, cell in zip(columns, fit, strict=True):
                column[index] = cell
        return columns

    def _made_fit(self, cells: list[str], *, line: int | None) -> list[str]:
        if line is not None:
            in_file = line if self._delimited else None
            refuse_swallowed(cells, phone=self._phone, width=len(self._header), line=in_file)
        if self._suspect:
            refuse_unreadable(cells)
        fit = fitted(cells, len(self._header))
        if isinstance(cells, Returned):
            index = self._phone
            region = self._numbers.region_of(fit)
            refuse_unchanged(fit[index], cells, region=region, index=index)
        return fit

    def _phones(self, columns: Sequence[Sequence[str]], faults: Faults) -> list[str]:
        """The numbers in E.164; "" for those that are none."""
        phones = self._numbers.plain(columns)
        if all(phones):
            return phones
        return [
            phone or self._normalised(columns, index, faults) for index, phone in enumerate(phones)
        ]

    def _normalised(self, columns: Sequence[Sequence[str]], index: int, faults: Faults) -> str:
        if index in faults:
            return ""
        try:
            return self._numbers.one([column[index] for column in columns])
        except PhoneError as fault:
            faults[index] = fault
            return ""

    def _refuse_later_faults(self, rows: AcceptedRows, faults: Faults, texts: Texts) -> None:
        """Duplicates, then what the texts lack. Who has another fault does not take a number."""
        late = {index: fault for index, fault in texts.faults.items() if index not in faults}
        unfit = faults.keys() | late.keys()
        fit = [index for index in range(len(rows)) if index not in unfit] if unfit else None
        numbers = handsets(rows.phones if fit is None else [rows.phones[i] for i in fit])
        own = rows.rows if fit is None else [rows.rows[index] for index in fit]
        for place, first in self.seen.claim(numbers, own).items():
            index = place if fit is None else fit[place]
            faults[index] = self._duplicate(rows.phones[index], first)
        for index, fault in late.items():
            earlier = self.seen.row_of(*handsets([rows.phones[index]]))
            before = earlier is not None and earlier < rows.rows[index]
            faults[index] = self._duplicate(rows.phones[index], earlier) if before else fault

    def _duplicate(self, phone: str, first: int | None) -> Unfit:
        return Unfit(
            self._phone,
            RejectCode.DUPLICATE,
            f"{phone} is in row {first} already.",
            "Delete the row: each number is texted once.",
        )
