"""One row's verdict: accepted with its text written and measured, or rejected for one fault.

The fault is the first of: encoding, control characters, number of columns, phone number,
duplicate, missing value, length. A number belongs to the first row *accepted* with it: a row
rejected for another fault does not stand in the way of a later good one.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from scheduler.ingest.columns import named_index, phone_index
from scheduler.ingest.delimited import Damaged
from scheduler.ingest.rejects import Reject, RejectCode, Returned
from scheduler.ingest.rows import Rows
from scheduler.ingest.seen import Seen
from shared.domain.numbering import is_region
from shared.domain.phone import PhoneError, normalise
from shared.domain.segments import measure, split
from shared.domain.template import Template
from shared.errors import Refused

MOST_PARTS: Final = 10


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


class Accepted(NamedTuple):
    """A row to text. `fields` has every named column, the phone's in E.164, blanks trimmed.

    `cuts` are the offsets in `body` (in characters) where its further parts begin; `segments` is
    what all parts are billed. Without a template `body` is None, `encoding` "" and `segments` 0.
    """

    row: int
    phone: str
    fields: dict[str, str]
    body: str | None
    encoding: str
    segments: int
    cuts: tuple[int, ...]


class Unfit(Exception):
    """A row's fault: column index (None: the whole row), code, reason, fix."""

    def __init__(self, index: int | None, code: RejectCode, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.index = index
        self.code: str = code.value
        self.reason = reason
        self.fix = fix


class Judge:
    """Decides one row at a time. Everything that can be found out beforehand is."""

    def __init__(self, rows: Rows, plan: Plan, *, seen: Seen) -> None:
        if not is_region(plan.region.upper()):
            raise Refused(
                "unknown_region",
                f"“{plan.region}” is no country with phone numbers. Use two letters, such as US.",
            )
        if not 1 <= plan.split_at <= 1600:
            raise Refused("bad_split_at", "split_at must be between 1 and 1600 characters.")
        header = rows.header
        self.seen = seen
        self._header = header
        self._width = len(header)
        self._suspect = rows.suspect
        self._plan = plan
        self._region = plan.region.upper()
        self._phone = phone_index(header, named=plan.phone_column, first=rows.first)
        named_index(header, plan.timezone_column)
        template = Template(plan.template) if plan.template is not None else None
        self._fill = template.bound_to(header) if template else None
        self._needed = template.columns_of(header) if template else ()
        self._nameless = "" in header

    def __call__(self, row: int, cells: list[str]) -> Accepted | Reject:
        try:
            return self._accepted(row, cells)
        except PhoneError as fault:
            return self._rejected(row, cells, self._phone, fault)
        except Unfit as fault:
            return self._rejected(row, cells, fault.index, fault)

    def refused(self, row: Accepted, code: str, reason: str, fix: str) -> Reject:
        """An accepted row that was objected to afterwards. Its number stays taken."""
        column = self._header[self._phone]
        cells = [row.fields.get(name, "") for name in self._header]
        return Reject(row.row, column, row.phone, str(code), reason, fix, cells)

    def _rejected(
        self, row: int, cells: list[str], index: int | None, fault: PhoneError | Unfit
    ) -> Reject:
        known = index is not None and index < self._width
        column = self._header[index] if index is not None and known else ""
        value = cells[index] if index is not None and index < len(cells) else ""
        return Reject(row, column, value, fault.code, fault.reason, fault.fix, list(cells))

    def _accepted(self, row: int, cells: list[str]) -> Accepted:
        if self._suspect:
            _refuse_unreadable(cells)
        returned = None
        if len(cells) != self._width or type(cells) is not list:
            returned = cells if isinstance(cells, Returned) else None
            cells = self._fitted(cells)
        if returned is not None:
            self._refuse_unchanged(cells[self._phone], returned.value)
        phone = normalise(cells[self._phone], self._region)
        number = int(phone)
        first = self.seen.row_of(number)
        if first is not None:
            raise Unfit(
                self._phone,
                RejectCode.DUPLICATE,
                f"{phone} is in row {first} already.",
                "Delete the row: each number is texted once.",
            )
        clean = list(map(str.strip, cells))
        clean[self._phone] = phone
        body, encoding, segments, cuts = self._written(clean)
        self.seen.add(number, row)
        fields = dict(zip(self._header, clean, strict=True))
        if self._nameless:
            fields.pop("", None)
        return Accepted(row, phone, fields, body, encoding, segments, cuts)

    def _refuse_unchanged(self, cell: str, value: str) -> None:
        """A duplicate that comes back without the row it repeated is still one.

        The same number in other writing is no other number. What was a duplicate was readable, so a
        value that is not has suffered in a spreadsheet, and nobody can tell; to send is forever.
        """
        number = "" if cell.strip() == value.strip() else normalise(cell, self._region)
        try:
            same = not number or normalise(value, self._region) == number
        except PhoneError:
            raise Unfit(
                self._phone,
                RejectCode.DUPLICATE,
                "It was a duplicate in the file it came from, and volley_value no longer tells "
                "whether its number has changed.",
                "Leave it out, or correct the number and empty its volley_code.",
            ) from None
        if same:
            raise Unfit(
                self._phone,
                RejectCode.DUPLICATE,
                "It was a duplicate in the file it came from, and its number is unchanged.",
                "Leave it out, or correct the number.",
            )

    def _fitted(self, cells: list[str]) -> list[str]:
        """Cells as many as columns; blank cells beyond the header are dropped."""
        if isinstance(cells, Damaged):
            raise Unfit(None, RejectCode.TOO_FEW_COLUMNS, cells.reason, cells.fix)
        if len(cells) < self._width:
            raise Unfit(
                None,
                RejectCode.TOO_FEW_COLUMNS,
                f"The row has {len(cells)} of {self._width} columns.",
                "Add the missing cells; leave them empty but keep their delimiters.",
            )
        if any(cell.strip() for cell in cells[self._width :]):
            raise Unfit(
                None,
                RejectCode.TOO_MANY_COLUMNS,
                f"The row has {len(cells)} columns, the header {self._width}.",
                'Put a cell that holds the delimiter in quotation marks: "Hello, Ana".',
            )
        return cells[: self._width]

    def _written(self, clean: list[str]) -> tuple[str | None, str, int, tuple[int, ...]]:
        """The row's text, its encoding, its billed segments and where its parts are cut."""
        if self._fill is None:
            return None, "", 0, ()
        for index in self._needed:
            if not clean[index] or clean[index] in _NO_VALUES:
                raise self._nothing_in(index, clean[index])
        body = self._fill(clean)
        smart, limit = self._plan.smart_encoded, self._plan.split_at
        if 2 * len(body) <= limit:
            cost = measure(body, smart_encoding=smart)
            return body, cost.encoding.value, cost.segments, ()
        parts = split(body, limit=limit)
        if len(parts) > MOST_PARTS:
            raise self._too_long(len(parts), clean)
        costs = [measure(part, smart_encoding=smart) for part in parts]
        encoding = max(cost.encoding.value for cost in costs)
        return body, encoding, sum(cost.segments for cost in costs), _cuts(parts)

    def _nothing_in(self, index: int, value: str) -> Unfit:
        name = self._header[index]
        reason = f"“{name}” is empty, and the message needs it."
        if value in _SHEET_ERRORS:
            reason = f"“{name}” holds a spreadsheet's error, {value}."
        elif value:
            reason = f"“{name}” holds {value}, as programs write where there is nothing."
        return Unfit(
            index,
            RejectCode.MISSING_VALUE,
            reason,
            f"Fill in “{name}”, or take {{{name}}} out of the message.",
        )

    def _too_long(self, parts: int, clean: list[str]) -> Unfit:
        longest = max(self._needed, key=lambda index: len(clean[index]), default=None)
        what = f"“{self._header[longest]}”" if longest is not None else "the message"
        return Unfit(
            longest,
            RejectCode.TOO_LONG,
            f"The text would go out in {parts} parts; {MOST_PARTS} are the most.",
            f"Shorten {what}.",
        )


def _cuts(parts: list[str]) -> tuple[int, ...]:
    cuts, at = [], 0
    for part in parts[:-1]:
        at += len(part)
        cuts.append(at)
    return tuple(cuts)


_SHEET_ERRORS: Final = frozenset(
    ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"]
)
# Not Null, Nan and Na, which are names, nor none, NA (Namibia) and other words people mean.
_NO_VALUES: Final = _SHEET_ERRORS | {
    *("NULL", "null", "(null)", "None", "NaN", "nan", "<NA>", "N/A", "n/a", "#n/a", "\\N"),
    "undefined",
}
_LOST: Final = re.compile("[\ud800-\udfff\ufffd]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _refuse_unreadable(cells: list[str]) -> None:
    for index, cell in enumerate(cells):
        if _LOST.search(cell):
            raise Unfit(
                index,
                RejectCode.BAD_ENCODING,
                "Some bytes of it are not text in the file's encoding.",
                "Type the cell anew, or export the file as UTF-8.",
            )
        if found := _CONTROL.search(cell):
            raise Unfit(
                index,
                RejectCode.CONTROL_CHARACTER,
                f"It holds an invisible control character (U+{ord(found[0]):04X}).",
                "Type the cell anew.",
            )
