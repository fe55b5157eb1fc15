"""`make chaos`: the fault matrix, long form. `python -m tests.chaos --quick`: a tenth of it.

Prints a line for each fault, and exits 1 if the promise did not hold in all of them.
"""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from tests.chaos.harness import bench
from tests.chaos.matrix import MATRIX, Fault, Outcome, run
from tests.support.embedded import sweep_killed_runs

#: Fewer than this and the fault is over before it has struck.
LEAST = 1500
console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Run the matrix; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"a tenth of the load, {LEAST} at the least"
    )
    parser.add_argument("--only", metavar="WORDS", default="", help="faults whose name has these")
    given = parser.parse_args(arguments)
    sweep_killed_runs()
    chosen = [fault for fault in MATRIX if given.only in fault.name]
    outcomes = [_run(fault, quick=given.quick) for fault in chosen]
    console.print(_table(outcomes))
    return 0 if outcomes and all(outcome.good for outcome in outcomes) else 1


def _run(fault: Fault, *, quick: bool) -> Outcome:
    """One fault on a stack of its own, so that none of them hides another's damage."""
    load = max(LEAST, fault.load // 10) if quick else fault.load
    try:
        with bench(workers=3) as stack:
            outcome = run(stack, fault, load=load)
    except AssertionError as error:
        outcome = Outcome(fault, load, 0, 0, 0, 0, 0, str(error))
    mark = "[green]✓[/]" if outcome.good else "[red]✗[/]"
    console.print(
        f"{mark} {fault.name}: {load} messages, lost {outcome.lost}, twice {outcome.twice}, "
        f"unknown {outcome.unknown}, too fast {outcome.too_fast}, {outcome.seconds:.0f} s "
        f"{outcome.others}"
    )
    return outcome


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Fault matrix")
    table.add_column("fault")
    for column in ("load", "lost", "twice", "unknown", "rate violations", "seconds to converge"):
        table.add_column(column, justify="right")
    for one in outcomes:
        numbers = (one.load, one.lost, one.twice, one.unknown, one.too_fast, round(one.seconds))
        style = None if one.good else "red"
        table.add_row(one.fault.name, *map(str, numbers), style=style)
    return table


if __name__ == "__main__":
    sys.exit(main())
