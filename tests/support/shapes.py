"""What `volley check` says of the ugly files people have: exports of CRMs, phones, spreadsheets.

`python -m tests.support.shapes` prints it as a table. The files are in tests/fixtures/shapes, what
is expected of them in shapes.json beside it; every number and name in them is invented.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from scheduler.ingest import Plan, Reading, ReportBuilder, open_rows, validate
from shared.errors import Refused

FOLDER: Final = Path(__file__).parents[1] / "fixtures" / "shapes"
MESSAGE: Final = "Hi {name}"
_OPTIONS: Final = {"message": MESSAGE, "region": "US", "phone_column": None, "encoding": None}


@dataclass(frozen=True)
class Said:
    """What was said of one file, or the code it was refused with. `texts` go to the accepted."""

    encoding: str = ""
    delimiter: str = ""
    texts: list[str] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refused: str = ""


@dataclass(frozen=True)
class Shape:
    """A file, what a person has to say about it, and what must be said of it."""

    path: Path
    options: dict[str, Any]
    expected: Said

    def checked(self) -> Said:
        """What is said of it now."""
        chosen = _OPTIONS | self.options
        plan = Plan(chosen["message"], chosen["region"], chosen["phone_column"])
        with self.path.open("rb") as file:
            try:
                reading = Reading(chosen["encoding"])
                rows = open_rows(file, filename=self.path.name, reading=reading)
                report = ReportBuilder.of(rows, rate=1.0)
                chunks = list(validate(rows, plan, report=report))
            except Refused as refused:
                return Said(refused=refused.code)
        return Said(
            encoding=rows.encoding,
            delimiter=rows.delimiter or "",
            texts=[row.body or "" for chunk in chunks for row in chunk.accepted],
            rejected=dict(Counter(report.codes)),
            warnings=[warning.code for warning in report.report().warnings],
        )

    def arguments(self) -> list[str]:
        """The same for `volley check`."""
        given = {"message": MESSAGE} | self.options
        named = ([f"--{name.replace('_', '-')}", value] for name, value in given.items())
        return [str(self.path), *(word for pair in named for word in pair)]


def shapes() -> Iterator[Shape]:
    """Every file of the folder."""
    known = json.loads(FOLDER.with_suffix(".json").read_text())
    for path in sorted(FOLDER.iterdir()):
        expected = dict(known[path.name])
        options = expected.pop("options", {})
        yield Shape(path, options, Said(**expected))


def main() -> None:
    """Print the table."""
    print("| file | read as | divided by | accepted | rejected | warnings, refusal |")
    print("|---|---|---|---:|---|---|")
    dividers = {"\t": "tab", "|": "pipe"}
    for shape in shapes():
        said = asdict(shape.checked())
        told = said["warnings"] or [f"refused: {said['refused']}"] * bool(said["refused"])
        cells = [
            shape.path.name,
            said["encoding"],
            dividers.get(said["delimiter"], said["delimiter"]),
            str(len(said["texts"])),
            ", ".join(f"{count} {code}" for code, count in said["rejected"].items()),
            ", ".join(told),
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
