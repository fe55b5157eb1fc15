"""`make bench`: every benchmark, one table. `--quick` is the short form, `--only NAME` one of them.

Every line is a ratio of two things measured within moments of each other on this machine: absolute
numbers depend on the machine and its neighbours, ratios hardly.
"""

import argparse
import importlib
import json
import math
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import end_to_end
from tests.benchmarks.row import Measure, Row
from tests.support.embedded import sweep_killed_runs

#: In the order they run; the heaviest last.
NAMES = (
    "segments", "calculator", "ingest", "validation", "publishing", "sending", "callbacks",
    "attacks", "receipts", "contention", "starts", "idle", "tick", "growth", "fairness",
    "end_to_end", "thousand",
)  # fmt: skip
console = Console(highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 1 when a benchmark could not be measured or something was lost on the way."""
    given = _parser().parse_args(arguments)
    sweep_killed_runs()
    found: list[Row] = []
    failed = []
    for name in given.only or NAMES:
        console.print(f"[dim]{name} …[/]")
        try:
            found += _measure(name)(given.rounds, given.quick)
        except Exception:  # the others are worth measuring all the same
            failed.append(name)
            console.print(traceback.format_exc(), markup=False)
    console.print(_table(found))
    if given.json:
        given.json.write_text(json.dumps(_document(found), indent=1) + "\n")
    if failed:
        console.print(f"[red]Not measured: {', '.join(failed)}[/]")
    return 1 if failed else 0


def _measure(name: str) -> Measure:
    measure: Measure = importlib.import_module(f"tests.benchmarks.{name}").measure
    return measure


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--only", action="append", choices=NAMES, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    return parser


def _table(found: Sequence[Row]) -> Table:
    table = Table(title=f"Volley, measured on {os.cpu_count()} cores, {_python()}")
    table.add_column("what")
    for column in ("ours", "baseline or limit", "ratio", "spread", "target"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    table.add_column("note")
    for row in found:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: " "}[row.met]
        numbers = [_short(row.ours), _short(row.baseline), _short(row.ratio)]
        spread = "–".join(_short(end) for end in row.spread)
        table.add_row(row.name, *numbers, spread, f"{row.target} {mark}", row.unit, row.note)
    return table


def _short(number: float) -> str:
    if math.isnan(number):
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _document(found: Sequence[Row]) -> dict[str, object]:
    rows = [asdict(row) for row in found if not math.isnan(row.ratio)]
    return {"where our CPU went": end_to_end.parts, "footprint": end_to_end.footprint} | {
        "python": _python(),
        "cores": os.cpu_count(),
        "rows": rows,
    }


def _python() -> str:
    return f"Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
