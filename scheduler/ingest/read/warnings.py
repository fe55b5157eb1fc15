"""What is doubtful about a file and goes on all the same: said in the report, before anybody is
texted.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.opaque import Json

ROWS_SHOWN: Final = 10
_MOST: Final = 100


@dataclass(slots=True)
class FileWarning:
    """One doubt: what was seen, what to do, and the first rows concerned."""

    code: str
    message: str
    fix: str
    rows: list[int] = field(default_factory=list)

    def as_dict(self) -> Json:
        """JSON-ready, as in a report's `warnings`."""
        return {
            "code": self.code,
            "message": self.message,
            "rows": list(self.rows),
            "fix": self.fix,
        }


class Warnings:
    """Collects the warnings of one file while it is read, in flat memory.

    A file may be read more than once: the same doubt about the same row is kept once.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], FileWarning] = {}

    def add(self, code: str, message: str, *, fix: str, row: int | None = None) -> None:
        """Warn, of one row or of the whole file. Rows of equal code and message are gathered."""
        if (code, message) not in self._found and len(self._found) >= _MOST:
            return
        warning = self._found.setdefault((code, message), FileWarning(code, message, fix))
        if row is not None and row not in warning.rows and len(warning.rows) < ROWS_SHOWN:
            warning.rows.append(row)

    def found(self) -> list[FileWarning]:
        """The warnings so far, the first seen first."""
        return list(self._found.values())
