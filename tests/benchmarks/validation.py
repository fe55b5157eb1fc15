"""Validation of a file, against a validator that makes an object of every row and cell.

The baseline works as GOV.UK Notify's RecipientCSV does: the file in memory, each row a dictionary
of cells with their errors, numbers judged by phonenumbers, the message rendered for every row.
"""

import csv
import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import phonenumbers

from scheduler.ingest import Plan, ReportBuilder, open_rows, validate
from shared.domain.gsm7 import BASIC, EXTENDED
from tests.benchmarks import people
from tests.benchmarks.row import Row, faster
from tests.support.embedded import temporary_directory

QUICK, LONG = 10_000, 100_000


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Rows per second, without a database."""
    rows = QUICK if quick else LONG
    with temporary_directory() as kept:
        file = Path(kept, "people.csv")
        good = people.write(file, rows)
        pairs = []
        for _ in range(rounds):
            ours = _timed(lambda: _ours(file), good)
            theirs = _timed(lambda: _row_by_row(file.read_text()), good)
            pairs.append((rows / ours, rows / theirs))
    note = f"{rows:,} rows; the same {good:,} accepted by both"
    return [faster("validation alone", pairs, unit="rows/s", target=30, note=note)]


def _timed(validator: object, good: int) -> float:
    began = time.perf_counter()
    accepted = validator()  # type: ignore[operator]
    assert accepted == good, (accepted, good)
    return time.perf_counter() - began


def _ours(file: Path) -> int:
    with file.open("rb") as opened:
        rows = open_rows(opened, filename=file.name)
        report = ReportBuilder(encoding=rows.encoding, rate=5)
        plan = Plan(template=people.TEMPLATE)
        return sum(len(chunk.accepted) for chunk in validate(rows, plan, report=report))


PLACEHOLDER = re.compile(r"\{([^}]+)\}")


@dataclass
class Cell:
    """One cell, and what is wrong with it."""

    key: str
    data: str
    error: str | None = None


class RowOfCells(dict[str, Cell]):
    """One row by column, with its message."""

    def __init__(self, index: int, cells: dict[str, str], template: str, seen: set[str]) -> None:
        super().__init__({_key(name): Cell(_key(name), value) for name, value in cells.items()})
        self.index = index
        self._judge_phone(self["phone"], seen)
        for name in PLACEHOLDER.findall(template):
            if not self[_key(name)].data.strip():
                self[_key(name)].error = "missing"
        self.message = PLACEHOLDER.sub(lambda found: self[_key(found[1])].data, template)
        self.segments = _segments(self.message)

    @property
    def has_error(self) -> bool:
        return self.segments > 10 or any(cell.error for cell in self.values())

    @staticmethod
    def _judge_phone(cell: Cell, seen: set[str]) -> None:
        try:
            number = phonenumbers.parse(cell.data, "US")
        except phonenumbers.NumberParseException:
            cell.error = "not a phone number"
            return
        if not phonenumbers.is_valid_number(number):
            cell.error = "not a valid phone number"
            return
        cell.data = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if cell.data in seen:
            cell.error = "twice in this file"
        seen.add(cell.data)


def _row_by_row(content: str) -> int:
    """How many rows are good."""
    seen: set[str] = set()
    rows = [
        RowOfCells(index, cells, people.TEMPLATE, seen)
        for index, cells in enumerate(csv.DictReader(io.StringIO(content)), 2)
    ]
    return sum(not row.has_error for row in rows)


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


GSM7 = set(BASIC) | set(EXTENDED)


def _segments(message: str) -> int:
    if all(char in GSM7 for char in message):
        septets = sum(2 if char in EXTENDED else 1 for char in message)
        return 1 if septets <= 160 else -(-septets // 153)
    units = len(message.encode("utf-16-le")) // 2
    return 1 if units <= 70 else -(-units // 67)
