"""Remove throwaway directories that ended runs left, at the start of the next run.

Only what such a run itself marked when it made it (marks.py), and never under a running server.
"""

from collections.abc import Collection
from pathlib import Path

from deploy.local.data_dirs import leftovers, marks, ties
from deploy.local.data_dirs.ties import Tie
from shared.errors import Refused


def sweep(kind: str, *, when: Collection[Tie]) -> list[Path]:
    """Remove root's data directories of ended runs of this kind, where this is known of their
    DATA_DIR; returns what was removed.
    """
    return [
        path
        for path in leftovers.data_directories()
        if _is_over(path, kind) and ties.look(path) in when and _removed(path)
    ]


def _is_over(path: Path, kind: str) -> bool:
    mark = marks.read(path)
    return mark is not None and mark.kind == kind and mark.over() and not leftovers.busy(path)


def _removed(path: Path) -> bool:
    try:
        leftovers.remove(path)
    except (Refused, FileNotFoundError):  # it is in use after all, or another run sweeps too
        return False
    return True
