"""Data that nobody leads to any more: it takes room, and there are people's numbers in it."""

from collections.abc import Iterator

from deploy.local.checks.finding import Finding, ok, warn
from deploy.local.clean import describe, known_data_dirs
from deploy.local.leftovers import leftovers
from deploy.local.ties import Tie
from shared.settings import Settings


def left_over(chosen: Settings) -> Iterator[Finding]:
    """Root's data directories whose DATA_DIR is gone or cannot be seen, a line each."""
    found = leftovers(known_data_dirs(chosen))
    for one in found:
        if one.busy:
            fix = "to keep it, start its stack from its DATA_DIR once"
        elif not one.rested:
            fix = "volley clean removes it when it has been unused for a day"
        elif one.tie is Tie.GONE:
            fix = "volley clean removes it"
        else:
            fix = (
                "start a stack on its DATA_DIR once if it has one; else volley clean asks about it"
            )
        yield warn("left data", f"{one.path}: {describe(one)}", fix=fix)
    if not found:
        yield ok("left data", "none: every data directory outside a DATA_DIR has its DATA_DIR")
