"""What `volley check` tells a person: what was understood, what it costs, what to mend."""

import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from scheduler.ingest import Accepted, Plan, Reject, ReportBuilder, Rows, validate
from scheduler.ingest.columns import phone_index
from scheduler.ingest.rejects import legible
from shared.domain.segments import Encoding, measure
from shared.domain.template import Template

_ROWS_SHOWN: Final = 3
_WIDE: Final = 60


class Findings:
    """Reads a file once, keeps a few examples, and tells what it found. Raises Refused."""

    def __init__(self, rows: Rows, plan: Plan) -> None:
        self.report = ReportBuilder(rows.encoding, plan.rate, plan.smart_encoded)
        self._rows = rows
        self._plan = plan
        self._phone = rows.header[
            phone_index(rows.header, named=plan.phone_column, first=rows.first)
        ]
        self._chunks = validate(rows, plan, report=self.report)
        self._samples: dict[tuple[str, str], list[Reject]] = defaultdict(list)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._smart_segments = 0
        self._accented: tuple[int, str] | None = None
        self._first: Accepted | None = None

    def rejected(self) -> Iterator[Reject]:
        """Every rejected row, as the file is read."""
        for chunk in self._chunks:
            for row in chunk.accepted:
                self._notice(row)
            for reject in chunk.rejected:
                kind = (reject.code, _kind(reject))
                self._counts[kind] += 1
                if len(self._samples[kind]) < _ROWS_SHOWN:
                    self._samples[kind].append(reject)
            yield from chunk.rejected

    def tell(self, rejects: Path | None) -> None:
        """Print it all. `rejects` is the reject file that was written, if any."""
        console = _console()
        self._tell_reading(console)
        self._tell_counts(console)
        if self._first is not None and self._first.body is not None:
            self._tell_cost(console)
        self._tell_rejects(console)
        self._tell_next(console, rejects)

    def _notice(self, row: Accepted) -> None:
        self._first = self._first or row
        if self._accented is None:
            accented = next((v for v in row.fields.values() if not v.isascii()), None)
            self._accented = (row.row, accented) if accented else None
        if row.encoding == Encoding.UCS2 and row.body is not None:
            starts, ends = (0, *row.cuts), (*row.cuts, len(row.body))
            parts = [row.body[start:end] for start, end in zip(starts, ends, strict=True)]
            self._smart_segments += sum(measure(p, smart_encoding=True).segments for p in parts)
        else:
            self._smart_segments += row.segments

    def _tell_reading(self, console: Console) -> None:
        rows = self._rows
        kind = "a workbook" if rows.delimiter is None else f"{rows.encoding} text"
        divided = {None: "", "\t": ", divided by tabs"}.get(
            rows.delimiter, f", divided by “{rows.delimiter}”"
        )
        _say(console, f"{rows.filename} is {kind}{divided}.", style="bold")
        columns = ", ".join(name or "(no name)" for name in rows.header)
        _say(console, f"Columns: {columns}.")
        _say(
            console,
            f"Phone numbers are in “{self._phone}”; those without a country code are read as "
            f"{self._plan.region.upper()} numbers.",
        )
        if self._accented and rows.encoding == "windows-1252":
            row, value = self._accented
            _say(
                console,
                f"Row {row} says “{_short(value)}”: if that looks wrong, export the file as UTF-8.",
                style="yellow",
            )
        console.print()

    def _tell_counts(self, console: Console) -> None:
        report = self.report.report()
        line = Text(f"{_count(report.rows, 'row')}: ")
        line.append(f"{report.accepted:,} accepted", style="green" if report.accepted else "")
        line.append(", ")
        line.append(f"{report.rejected:,} rejected", style="red" if report.rejected else "")
        console.print(line.append("."))
        rate = f"{self._plan.rate:g} a second"
        if report.accepted:
            _say(console, f"Sending them takes {_duration(report.eta_seconds)} at {rate}.")

    def _tell_cost(self, console: Console) -> None:
        report = self.report.report()
        spread = report.segments
        each = (
            f"{spread['min']} a text"
            if spread["min"] == spread["max"]
            else f"{spread['min']} to {spread['max']} a text"
        )
        _say(console, f"They cost {_count(spread['total'], 'segment')}, {each}.")
        if report.ucs2_characters:
            self._tell_ucs2(console, report.ucs2_characters)
        self._tell_braces(console)
        if self._first is not None and self._first.body is not None:
            _say(console, f"\nRow {self._first.row} will read:")
            _indent(console, legible(self._first.body), style="cyan", by=2)

    def _tell_ucs2(self, console: Console, characters: list[str]) -> None:
        builder = self.report
        often = [f"{_named(c)} in {_count(builder.characters[c], 'text')}" for c in characters[:6]]
        more = f" and {len(characters) - 6} more characters" if len(characters) > 6 else ""
        _say(
            console,
            f"{_count(builder.ucs2_rows, 'text')} cannot use GSM-7: 70 characters a segment "
            f"instead of 160, because of {', '.join(often)}{more}.",
            style="yellow",
        )
        saved = builder.total - self._smart_segments
        if saved and not self._plan.smart_encoded:
            _say(
                console,
                f"Smart encoding would save {_count(saved, 'segment')} "
                f"({saved / builder.total:.0%}): see --smart-encoded.",
                style="yellow",
            )

    def _tell_braces(self, console: Console) -> None:
        template = Template(self._plan.template or " .")
        for name in template.braces_around(self._rows.header):
            _say(
                console,
                f"{{{{{name}}}}} sends “{{{name}}}” as it is written. "
                f"Write {{{name}}} for the value.",
                style="yellow",
            )

    def _tell_rejects(self, console: Console) -> None:
        if not self._counts:
            return
        _say(console, "\nRejected:", style="bold")
        for (code, kind), count in self._counts.most_common():
            console.print(Text(f"{count:>7,}  ").append(code, style="red"))
            samples = self._samples[code, kind]
            for sample in samples:
                _indent(console, _told(sample))
            if count > len(samples):
                _indent(console, f"… and {count - len(samples):,} more")
            for fix in dict.fromkeys(sample.fix for sample in samples):
                _indent(console, f"→ {legible(fix)}", style="green")

    def _tell_next(self, console: Console, rejects: Path | None) -> None:
        console.print()
        report = self.report.report()
        if not report.rejected:
            _say(console, "Nothing to mend: the file can be uploaded.", style="bold green")
            return
        good = f"The {_count(report.accepted, 'good row')} can go now, unhindered by the others."
        mend = (
            f"Mend {rejects} and upload it as well: it has the rejected rows and what to do."
            if rejects
            else "Add --rejects mend.csv to get the rejected rows as a file to mend and upload."
        )
        _say(console, f"{good} {mend}" if report.accepted else mend, style="bold")


def _console() -> Console:
    if hasattr(sys.stdout, "reconfigure"):  # an old terminal shows ? where it has no character
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _say(console: Console, sentence: str, *, style: str = "") -> None:
    """Plain text: what a file holds is never read as markup."""
    console.print(Text(sentence, style=style))


def _indent(console: Console, sentence: str, *, style: str = "", by: int = 9) -> None:
    console.print(Padding(Text(sentence, style=style), (0, 0, 0, by), expand=False))


def _kind(reject: Reject) -> str:
    """Rejects of a code are told together when the same thing mends them."""
    return reject.column if reject.code == "missing_value" else ""


def _told(reject: Reject) -> str:
    where = f"row {reject.row}"
    shown = f" {_short(reject.value)!r}:" if reject.value.strip() else ":"
    return f"{where}{shown} {legible(reject.reason)}"


def _short(value: str) -> str:
    flat = " ".join(legible(value).split())
    return flat if len(flat) <= _WIDE else f"{flat[:_WIDE]}…"


def _named(character: str) -> str:
    """A character and its Unicode name: many of them look like another, or like nothing."""
    if len(character) > 1:
        return character
    return f"{character} ({unicodedata.name(character, f'U+{ord(character):04X}').lower()})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{_count(max(1, round(seconds)), 'second')}"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    if seconds < 2 * 86400:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {timedelta(seconds=seconds).days} days"
