"""What a file will do, in the words of the API: counts, segments, cost drivers, time, rejects."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from scheduler.ingest.read.rows import Rows
from scheduler.ingest.read.warnings import FileWarning, Warnings
from scheduler.ingest.rejects import Reject, RejectCode
from shared.domain.segments import Encoding, measure, ucs2_characters
from shared.legible import legible
from shared.opaque import Json

REJECTS_SHOWN: Final = 100
CHARACTERS_SHOWN: Final = 50
_CHARACTERS_KEPT: Final = 5_000
_VALUE_SHOWN: Final = 200
_VALUE_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report. `as_dict` is what the API and `volley check --json` show."""

    rows: int
    accepted: int
    rejected: int
    duplicates: int
    hidden_rows: int
    warnings: list[FileWarning]
    encoding: str
    delimiter: str | None
    segments: dict[str, int]
    ucs2_characters: list[str]
    eta_seconds: float
    rejects: list[Reject]

    def as_dict(self) -> Json:
        """JSON-ready, in the order INTERFACE names the fields."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "hidden_rows": self.hidden_rows,
            "warnings": [warning.as_dict() for warning in self.warnings],
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "segments": self.segments,
            "ucs2_characters": self.ucs2_characters,
            "eta_seconds": self.eta_seconds,
            "rejects": [_shown(reject) for reject in self.rejects],
        }


@dataclass(slots=True)
class ReportBuilder:
    """Adds up a report while a file is read, in flat memory.

    `encoding` and `delimiter` are the file's (None for a workbook), `rate` the agents' session
    starts a second together. `hidden_rows` counts the rows that a workbook hides and that were left
    out. `warnings` is the file's collector: what is added there while rows are read is reported.
    `codes` counts the rejects by code, `ucs2_rows` the texts that need UCS-2.
    """

    encoding: str
    rate: float
    smart_encoded: bool = False
    delimiter: str | None = None
    warnings: Warnings = field(default_factory=Warnings)
    hidden_rows: int = 0
    accepted: int = 0
    total: int = 0
    fewest: int = 0
    most: int = 0
    ucs2_rows: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Rows, *, rate: float, smart_encoded: bool = False) -> "ReportBuilder":
        """An empty report on this file."""
        return cls(rows.encoding, rate, smart_encoded, rows.delimiter, rows.warnings)

    def accept(self, segments: Iterable[int]) -> None:
        """Count accepted rows by their segments; 0 for a row whose text is not written yet."""
        counts = list(segments)
        if not counts:
            return
        fewest, most = min(counts), max(counts)
        self.fewest = min(self.fewest, fewest) if self.accepted else fewest
        self.most = max(self.most, most)
        self.total += sum(counts)
        self.accepted += len(counts)

    def blame(self, body: str, *, row: int) -> None:
        """Remember which characters of a UCS-2 text force it to be one, and warn of marks that look
        like letters.
        """
        self.ucs2_rows += 1
        found = ucs2_characters(body)
        self.characters.update(found)
        for character in filter(_is_decomposed, found):
            self._warn_of_mark(character, row)
        if len(self.characters) > 2 * _CHARACTERS_KEPT:
            self.characters = Counter(dict(self.characters.most_common(_CHARACTERS_KEPT)))

    def _warn_of_mark(self, character: str, row: int) -> None:
        apart = unicodedata.normalize("NFD", character)
        names = " and ".join(unicodedata.name(mark, "a mark").lower() for mark in apart[1:])
        self.warnings.add(
            "combining_mark",
            f"“{character}” is written as “{apart[0]}” and {names}, so the text costs UCS-2: 70 "
            "characters a segment instead of 160. As one character it would be GSM-7.",
            fix="Write it as one character: type it anew, or export the file in NFC.",
            row=row,
        )

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Count rejected rows, and keep the first to show."""
        self.codes.update(map(attrgetter("code"), rejects))
        for reject in rejects[: REJECTS_SHOWN - len(self.rejects)]:
            # A row may be a megabyte, and of as many cells.
            self.rejects.append(reject._replace(value=reject.value[:_VALUE_KEPT], cells=[]))

    def report(self) -> Report:
        """The report on what was added so far."""
        rejected = self.codes.total()
        return Report(
            rows=self.accepted + rejected,
            accepted=self.accepted,
            rejected=rejected,
            duplicates=self.codes[RejectCode.DUPLICATE],
            hidden_rows=self.hidden_rows,
            warnings=self.warnings.found(),
            encoding=self.encoding,
            delimiter=self.delimiter,
            segments={"total": self.total, "min": self.fewest, "max": self.most},
            ucs2_characters=self._forcing(),
            eta_seconds=round(self.accepted / self.rate, 1),
            rejects=list(self.rejects),
        )

    def _forcing(self) -> list[str]:
        """The characters that force UCS-2, most frequent first, less what smart encoding mends."""
        ranked = [character for character, _ in self.characters.most_common()]
        if self.smart_encoded:
            ranked = [
                c for c in ranked if measure(c, smart_encoding=True).encoding == Encoding.UCS2
            ]
        return ranked[:CHARACTERS_SHOWN]


def _is_decomposed(character: str) -> bool:
    """A letter and its mark as two code points, which would be GSM-7 as one."""
    composed = unicodedata.normalize("NFC", character)
    return composed != character and measure(composed).encoding == Encoding.GSM7


def _shown(reject: Reject) -> Json:
    """A reject without its cells, and a very long value cut."""
    shown = reject._asdict()
    del shown["cells"]
    value = legible(reject.value)
    shown["value"] = value if len(value) <= _VALUE_SHOWN else f"{value[:_VALUE_SHOWN]}…"
    return shown
