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

from scheduler.cli.check.check_examples import Noticed
from scheduler.ingest import Plan, Reject, RejectCode, ReportBuilder, Rows, validate
from scheduler.ingest.read.columns import columns_beside, is_phone_name, phone_index
from shared.domain.numbering import as_region
from shared.domain.template import Template
from shared.legible import in_one_line, legible

_ROWS_SHOWN: Final = 3
_WIDE: Final = 60


class Findings:
    """Reads a file once, keeps a few examples, and tells what it found. Raises Refused."""

    def __init__(self, rows: Rows, plan: Plan) -> None:
        self.report = ReportBuilder.of(rows, rate=plan.rate, smart_encoded=plan.smart_encoded)
        self._rows = rows
        self._plan = plan
        phone = phone_index(rows.header, named=plan.phone_column, first=rows.first)
        self._phone = in_one_line(rows.header[phone])
        self._beside = columns_beside(rows.header, phone=phone)
        self._chunks = validate(rows, plan, report=self.report)
        self._samples: dict[tuple[str, str], list[Reject]] = defaultdict(list)
        self._counts: Counter[tuple[str, str]] = Counter()
        columns = Template(plan.template).columns_of(rows.header) if plan.template else ()
        self._noticed = Noticed(tuple(rows.header[index] for index in columns))

    def rejected(self) -> Iterator[Reject]:
        """Every rejected row, as the file is read."""
        for chunk in self._chunks:
            for row in chunk.accepted:
                self._noticed.see(row)
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
        self._tell_warnings(console)
        if self._noticed.longest is not None:
            self._tell_cost(console)
            self._tell_texts(console)
        self._tell_rejects(console)
        self._tell_next(console, rejects)

    def _tell_reading(self, console: Console) -> None:
        rows = self._rows
        kind = f"{rows.encoding} text" if rows.delimiter else "a workbook"
        divided = {None: "", "\t": ", divided by tabs"}.get(
            rows.delimiter, f", divided by “{rows.delimiter}”"
        )
        _say(console, f"{in_one_line(rows.filename)} is {kind}{divided}.", style="bold")
        if rows.place:
            _say(console, in_one_line(f"The columns' names are in {rows.place}."))
        columns = ", ".join(name or "(no name)" for name in rows.header)
        _say(console, in_one_line(f"Columns: {columns}."))
        _say(
            console,
            f"Phone numbers are in “{self._phone}”; those without a country code are read as "
            f"{as_region(self._plan.region)} numbers (see --region).",
        )
        if self._beside.country is not None:
            name, says = in_one_line(rows.header[self._beside.country]), self._beside.says
            _say(console, f"Where “{name}” says another {says}, they are read as that country's.")
        names = map(in_one_line, rows.header)
        others = [n for n in names if n and n != self._phone and is_phone_name(n)]
        if others:
            quoted = " and ".join(f"“{name}”" for name in others)
            _say(console, f"Not in {quoted}: name another with --phone-column.", style="yellow")
        if self._noticed.accented and rows.encoding == "windows-1252":
            row, value = self._noticed.accented
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
            them = "it" if report.accepted == 1 else "them"
            _say(console, f"Sending {them} takes {_duration(report.eta_seconds)} at {rate}.")

    def _tell_warnings(self, console: Console) -> None:
        hidden = self.report.hidden_rows
        if hidden:
            _say(
                console,
                f"{_count(hidden, 'row')} that the workbook hides or filters away left out: "
                "--include-hidden takes them in.",
                style="yellow",
            )
        for warning in self.report.warnings.found():
            where = f"{_rows(warning.rows).capitalize()}: " if warning.rows else ""
            _say(console, in_one_line(f"Warning: {where}{warning.message}"), style="yellow")
            _indent(console, f"→ {in_one_line(warning.fix)}", style="green", by=2)

    def _tell_cost(self, console: Console) -> None:
        report = self.report.report()
        spread = report.segments
        each = (
            f"{spread['min']} a text"
            if spread["min"] == spread["max"]
            else f"{spread['min']} to {spread['max']} a text"
        )
        total = _count(spread["total"], "segment")
        one = f"It costs {total}."
        _say(console, one if report.accepted == 1 else f"They cost {total}, {each}.")
        if report.ucs2_characters:
            self._tell_ucs2(console, report.ucs2_characters)
        self._tell_braces(console)

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
        saved = builder.total - self._noticed.smart_segments
        if saved and not self._plan.smart_encoded:
            _say(
                console,
                f"Smart encoding would save {_count(saved, 'segment')} "
                f"({saved / builder.total:.0%}): see --smart-encoded.",
                style="yellow",
            )

    def _tell_texts(self, console: Console) -> None:
        """How the first text reads, and how the longest begins."""
        first, longest = self._noticed.first, self._noticed.longest
        if first is None or longest is None or first.body is None:
            return
        same = longest.row == first.row and self.report.accepted > 1
        _say(console, f"\nRow {first.row}{', the longest text,' if same else ''} will read:")
        _indent(console, first.body, style="cyan", by=2)
        if longest.row != first.row and longest.body is not None:
            characters = _count(len(longest.body), "character")
            cost = f"{_count(longest.segments, 'segment')}, {characters}"
            _say(console, f"Row {longest.row} is the longest ({cost}) and begins:")
            _indent(console, _short(longest.body), style="cyan", by=2)

    def _tell_braces(self, console: Console) -> None:
        template = Template(self._plan.template or " .")
        for name in map(in_one_line, template.braces_around(self._rows.header)):
            _say(
                console,
                f"{{{{{name}}}}} sends “{{{name}}}” as it is written. "
                f"Write {{{name}}} for the value.",
                style="yellow",
            )
        found = self._noticed
        if found.braced:
            have = "row has braces in its" if found.braced == 1 else "rows have braces in their"
            _say(
                console,
                f"{found.braced:,} {have} values, which are sent as they are, e.g. row "
                f"{found.braced_row}: {_short(found.braced_value)}",
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
            fixes: dict[str, list[int]] = defaultdict(list)
            for sample in samples:
                fixes[sample.fix].append(sample.row)
            for fix, rows in fixes.items():
                whose = f"{_rows(rows)}: " if len(fixes) > 1 else ""
                _indent(console, f"→ {whose}{in_one_line(fix)}", style="green")

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
        if self.report.codes[RejectCode.DUPLICATE]:
            mend += (
                " Keep its volley_ columns: they tell that a duplicate whose number you leave "
                "unchanged is still one, so nobody is texted twice."
            )
        _say(console, f"{good} {mend}" if report.accepted else mend, style="bold")


def _console() -> Console:
    if hasattr(sys.stdout, "reconfigure"):  # an old terminal shows ? where it has no character
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _say(console: Console, sentence: str, *, style: str = "") -> None:
    """Plain text: what a file holds is never read as markup."""
    console.print(Text(legible(sentence), style=style))


def _indent(console: Console, sentence: str, *, style: str = "", by: int = 9) -> None:
    console.print(Padding(Text(legible(sentence), style=style), (0, 0, 0, by), expand=False))


def _kind(reject: Reject) -> str:
    """Rejects of a code are told together when the same thing mends them."""
    return reject.column if reject.code == "missing_value" else ""


def _told(reject: Reject) -> str:
    where = f"row {reject.row}"
    shown = f" {_short(reject.value)!r}:" if reject.value.strip() else ":"
    return f"{where}{shown} {in_one_line(reject.reason)}"


def _rows(numbers: list[int]) -> str:
    listed = " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
    return f"row {listed}" if len(numbers) == 1 else f"rows {listed}"


def _short(value: str) -> str:
    flat = " ".join(legible(value).split())
    return flat if len(flat) <= _WIDE else f"{flat[:_WIDE]}…"


def _named(character: str) -> str:
    """A character and its Unicode name: many of them look like another, or like nothing.

    A letter with a mark of its own looks like one that has it built in; an emoji of several is one.
    """
    names = [unicodedata.name(c, f"U+{ord(c):04X}").lower() for c in character]
    if len(character) > 1 and not any(map(unicodedata.combining, character)):
        return character
    return f"{character} ({' and '.join(names)})"


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
