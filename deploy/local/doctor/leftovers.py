"""Data that no DATA_DIR leads to: it takes disk space, and contains people's numbers."""

from collections.abc import Iterator

from deploy.local.data_dirs.clean import describe, known_data_dirs
from deploy.local.data_dirs.leftovers import Leftover, leftovers
from deploy.local.data_dirs.ties import Tie
from deploy.local.doctor.finding import Finding, ok, warn
from shared.settings import Settings


def left_over(chosen: Settings) -> Iterator[Finding]:
    """Root's data directories whose DATA_DIR is gone or cannot be seen, a line each."""
    found = leftovers(known_data_dirs(chosen))
    for one in found:
        yield warn("left data", f"{one.path}: {describe(one)}", fix=_fix(one))
    if not found:
        yield ok("left data", "none: every data directory outside a DATA_DIR has its DATA_DIR")


def _fix(one: Leftover) -> str:
    if one.busy:
        return "none while it is in use; a day after that, volley clean"
    if not one.rested:
        return "volley clean, when it has been unused for a day"
    if one.tie is Tie.GONE:
        return "volley clean removes it"
    return "if it has a DATA_DIR, start its stack once; if not, volley clean asks about it"
