"""Opens a file of opt-outs and reads off it, row by row, whom it suppresses.

It is one of four: numbers one a line without a header; a table whose every row is an opt-out; a
table with columns that say who has opted out; a message log. Where it could be two of them, or the
number in one of several columns, it is refused with what to do.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from scheduler.ingest import Reading, Rows, open_rows
from scheduler.ingest.check.numbers import Numbers
from scheduler.ingest.check.row_errors import Unfit, fitted
from scheduler.ingest.read.columns import columns_beside, is_phone_name, named_index, phone_index
from scheduler.ingest.read.rows import AS_FOUND
from scheduler.ingest.read.swallowed_rows import refuse_swallowed
from scheduler.ingest.read.warnings import Warnings
from scheduler.people.opt_outs import bare_numbers, consent_columns, message_log
from scheduler.people.opt_outs.column_names import joined, words
from scheduler.people.opt_outs.verdict import LeftOut, Number, Says, Unreadable, Verdict
from shared.domain.keywords import Keyword
from shared.domain.phone import PhoneError, normalise
from shared.errors import Refused

_SAMPLE: Final = 100  # rows looked at to see which columns hold numbers
_VALUES_KEPT: Final = 1000
_ALSO_A_PHONE: Final = re.compile(
    r"\b(?:phones?|mobiles?|cell|cellular|tel|telephone|handy|landline|home|work|office|whatsapp)\b"
)
Entry = Number | LeftOut | Unreadable


@dataclass(slots=True)
class OptOutFile:
    """A file that was understood. `read_as` tells how, for people.

    `entries` reads it once; what it finds doubtful is in `warnings` afterwards, and `hidden_rows`
    counts the workbook's rows left out.
    """

    read_as: str
    warnings: Warnings
    entries: Callable[[], Iterator[Entry]]
    hidden: Callable[[], int] = int

    @property
    def hidden_rows(self) -> int:
        return self.hidden()


def open_file(
    file: BinaryIO,
    *,
    filename: str,
    region: str,
    phone_column: str | None = None,
    reading: Reading = AS_FOUND,
) -> OptOutFile:
    """Find out what a seekable `file` is. `region` is the country of national numbers.

    Raises Refused as `open_rows` and `phone_index` do, which_phone_column for numbers in several
    columns, unreadable_log, unclear_texts, unclear_opt_out_column.
    """
    lines = bare_numbers.numbers(file, region=region, reading=reading)
    if lines is not None:
        if phone_column is not None:
            raise Refused(
                "no_header", "The file has no line with the columns' names. Put one above it."
            )
        listed = [Number(row, number) for row, number in lines]
        return OptOutFile("every number, one a line", Warnings(), lambda: iter(listed))
    rows = open_rows(file, filename=filename, reading=reading)
    table = _Table(rows, region=region, phone_column=phone_column)
    return OptOutFile(table.read_as, rows.warnings, table.entries, lambda: rows.hidden_rows)


class _Table:
    """A file with a header: which column is what, and what each row says."""

    def __init__(self, rows: Rows, *, region: str, phone_column: str | None) -> None:
        self._rows = rows
        self._region = region
        self._sample = [cells for _, cells in islice(rows, _SAMPLE)]
        named = named_index(rows.header, phone_column)
        phones = self._phones() if named is None else [named]
        self._log = self._find_log(phones, named)
        self._consent = None
        if self._log is None or self._log.undirected:
            self._consent = consent_columns.find(rows.header, self._values())
        if self._consent is not None:
            self._log = None
        if self._log is not None and self._log.undirected:
            self._refuse_other_texts(self._log)
        if self._log is not None:
            self._phone = self._log.person
        else:
            self._phone = self._one_of(phones) if named is None else named
        self._reason = self._reason_column()
        self._numbers = Numbers(
            rows.header,
            phone=self._phone,
            region=region,
            beside=columns_beside(rows.header, phone=self._phone),
            warnings=rows.warnings,
        )
        self._stopped: set[str] = set()
        self._started: dict[str, int] = {}

    @property
    def read_as(self) -> str:
        """What the file was taken for."""
        phone = self._rows.header[self._phone]
        if self._log is not None:
            return self._log_told(self._log)
        if self._consent is not None:
            told = " and ".join(f"“{name}”" for name in self._consent.names)
            return f"the numbers in “{phone}” whose {told} says they have opted out"
        return f"every number in “{phone}”"

    def _log_told(self, of: message_log.Log) -> str:
        header, told = self._rows.header, []
        if of.body is not None:
            told.append(f"who in “{header[of.person]}” sent a stop word in “{header[of.body]}”")
        if of.error is not None:
            told.append(f"whom Twilio refused to text ({message_log.REFUSED_AS_OPTED_OUT})")
        return f"a message log: {', and '.join(told)}"

    def entries(self) -> Iterator[Entry]:
        """What each row says, in the file's order."""
        for row, cells, line in self._records():
            try:
                if line is not None:
                    self._refuse_swallowed(cells, line)
                whole = self._fitted(cells)
            except Unfit as fault:
                value = cells[self._phone] if self._phone < len(cells) else ""
                yield Unreadable(row, value, fault.code, fault.reason, fault.fix)
            else:
                yield self._entry(row, whole)
        self._warn_of_returned()

    def _records(self) -> Iterator[tuple[int, list[str], int | None]]:
        """Each row's number and cells, and the file's line where it begins if it is of several."""
        for table in self._rows.tables():
            for index, row in enumerate(table.numbers):
                yield row, table.cells(index), table.spanning.get(index)

    def _refuse_swallowed(self, cells: list[str], line: int) -> None:
        """Raises Unfit for people whom a stray quotation mark hides in somebody else's row."""
        in_file = None if self._rows.delimiter is None else line
        width = len(self._rows.header)
        refuse_swallowed(cells, phone=self._phone, width=width, line=in_file)

    def _entry(self, row: int, cells: list[str]) -> Entry:
        verdict = self._verdict(cells)
        number = cells[self._phone if verdict.column is None else verdict.column]
        if verdict.says is Says.UNCLEAR:
            return Unreadable(row, number, verdict.code, verdict.reason, verdict.fix)
        if self._log is not None:
            self._remember(row, cells, self._log)
        if verdict.says is Says.STAYS:
            return LeftOut(row, verdict.code, verdict.reason)
        told = cells[self._reason].strip() if self._reason is not None else ""
        read = partial(self._numbers.one, cells) if verdict.column is None else None
        return Number(row, number, told or verdict.reason or None, read)

    def _verdict(self, cells: list[str]) -> Verdict:
        if self._log is not None:
            return self._log.verdict(cells)
        return Verdict(Says.OUT) if self._consent is None else self._consent.verdict(cells)

    def _fitted(self, cells: list[str]) -> list[str]:
        """The cells under the header. A list of opt-outs may leave out what is behind the number.

        Raises Unfit.
        """
        width = len(self._rows.header)
        if type(cells) is list and self._log is None and self._consent is None:
            cells = cells + [""] * (width - len(cells))
        return fitted(cells, width)

    def _remember(self, row: int, cells: list[str], of: message_log.Log) -> None:
        keyword = of.keyword(cells)
        if keyword is Keyword.OPT_OUT:
            self._stopped.add(cells[of.person].strip())
        elif keyword is Keyword.OPT_IN:
            self._started.setdefault(cells[of.person].strip(), row)

    def _warn_of_returned(self) -> None:
        for number, row in self._started.items():
            if number in self._stopped:
                self._rows.warnings.add(
                    "opted_in_too",
                    "Somebody texted both a stop word and START, and is suppressed.",
                    fix="If START came last: volley suppress remove NUMBER.",
                    row=row,
                )

    def _find_log(self, phones: list[int], named: int | None) -> message_log.Log | None:
        holding = [
            i for i in range(len(self._rows.header)) if any(map(self._is_number, self._at(i)))
        ]
        found = message_log.find(self._rows.header, phones=phones, numbers=holding, at=self._at)
        return found if found is None or named is None else replace(found, person=named)

    def _refuse_other_texts(self, of: message_log.Log) -> None:
        width = len(self._rows.header)
        whole = (cells for _, cells in self._rows if len(cells) == width)
        if not any(of.verdict(cells).says is Says.OUT for cells in whole):
            raise message_log.nobody_says_stop(self._rows.header, of)

    def _values(self) -> dict[int, frozenset[str]]:
        """What the cells of the columns that may speak of opting out say, of all rows."""
        speaking = consent_columns.may_speak(self._rows.header)
        found: dict[int, set[str]] = {index: set() for index in speaking}
        for _, cells in self._rows if speaking else ():
            for index, values in found.items():
                if index < len(cells) and len(values) < _VALUES_KEPT:
                    values.add(cells[index])
        return {index: frozenset(values) for index, values in found.items()}

    def _phones(self) -> list[int]:
        """The columns that may be the number's: by their names, or filled with plus and digits."""
        found = []
        for index, name in enumerate(self._rows.header):
            cells = self._at(index)
            if is_phone_name(name) or message_log.is_party(name):
                if not cells or any(map(self._is_number, cells)):
                    found.append(index)
            elif _ALSO_A_PHONE.search(words(name)) and any(map(self._is_number, cells)):
                found.append(index)
            elif cells:
                written = [cell for cell in cells if cell[:1] == "+" and self._is_number(cell)]
                if len(written) * 2 >= len(cells):
                    found.append(index)
        return found

    def _one_of(self, phones: list[int]) -> int:
        header = self._rows.header
        if len(phones) > 1:
            names = [header[index] for index in phones]
            listed = " and ".join(f"“{name}”" for name in names)
            raise Refused(
                "which_phone_column",
                f"Columns {listed} may hold phone numbers. Say which are to be suppressed: "
                f'--phone-column "{names[0]}".',
                details={"columns": names},
            )
        if phones and (is_phone_name(header[phones[0]]) or message_log.is_party(header[phones[0]])):
            return phones[0]
        return phone_index(header, named=None, first=self._rows.first)

    def _at(self, index: int) -> list[str]:
        cells = (row[index].strip() for row in self._sample if index < len(row))
        return [cell for cell in cells if cell]

    def _is_number(self, cell: str) -> bool:
        try:
            normalise(cell, self._region)
        except PhoneError:
            return False
        return True

    def _reason_column(self) -> int | None:
        names = [joined(name) for name in self._rows.header]
        return names.index("reason") if "reason" in names else None
