"""What a file's header may not be, nor the names of the files that a reject file comes from."""

from typing import Final

from scheduler.ingest.read.columns import ORIGIN_COLUMN, OWN_COLUMNS
from scheduler.ingest.read.delimited import Damaged
from scheduler.ingest.read.sheets.sheet import MOST_COLUMNS
from scheduler.ingest.read.swallowed_rows import holds_numbers
from scheduler.ingest.read.unreadable import LOST, UNREADABLE
from shared.errors import Refused
from shared.legible import legible


def refuse_header(header: list[str]) -> None:
    """Raises Refused open_quote, too_many_columns, unreadable_header."""
    _refuse_open_quote(header)
    _refuse_many(header)
    _refuse_unreadable(header)


def refuse_origins(origins: set[str]) -> None:
    """Raises Refused too_many_origins, unreadable_origin."""
    _refuse_many_origins(origins)
    _refuse_unreadable_origins(origins)


def _refuse_open_quote(header: list[str]) -> None:
    """A quotation mark in the header that takes rows for a name. Raises Refused open_quote."""
    if isinstance(header, Damaged) or holds_numbers(header):
        raise Refused(
            "open_quote",
            "A quotation mark opens a column's name in the header and is not closed on that line. "
            "Take it out, or close it there.",
        )


def _refuse_many(header: list[str]) -> None:
    """Raises Refused too_many_columns."""
    named = max((place for place, name in enumerate(header, 1) if name.strip()), default=0)
    if named > _MOST_COLUMNS or len(header) > _WIDEST:
        raise Refused(
            "too_many_columns",
            f"The header has {len(header):,} columns, and a file may "
            f"have {MOST_COLUMNS:,}. Delete the columns that no text needs.",
        )


def _refuse_unreadable(header: list[str]) -> None:
    """Raises Refused unreadable_header: neither a person nor a placeholder could name it."""
    for place, name in enumerate(header, 1):
        if found := UNREADABLE.search(name):
            lost = LOST.match(found[0])
            why = (
                "bytes that are not text in the file's encoding" if lost else "a control character"
            )
            raise Refused(
                "unreadable_header",
                f"The name of column {place} (“{legible(name)[:_SHOWN]}”) has {why}. Type it "
                "again, or export the file as UTF-8.",
                details={"column": place},
            )


def _refuse_many_origins(origins: set[str]) -> None:
    """Raises Refused too_many_origins: no reject file comes from so many files."""
    if len(origins) > _MOST_ORIGINS:
        raise Refused(
            "too_many_origins",
            f"The column “{ORIGIN_COLUMN}” names more than {_MOST_ORIGINS:,} files. Upload the "
            "reject files one by one, each as it was written.",
        )


def _refuse_unreadable_origins(origins: set[str]) -> None:
    """Raises Refused unreadable_origin: whom that file's campaign texted could not be looked up."""
    for origin in filter(UNREADABLE.search, origins):
        raise Refused(
            "unreadable_origin",
            f"The column “{ORIGIN_COLUMN}” names a file that cannot be read: "
            f"“{legible(origin)[:_SHOWN]}”. Upload the reject file as it was written.",
        )


#: Columns up to the last with a name, those of a reject file included; and up to the last at all.
_MOST_COLUMNS: Final = MOST_COLUMNS + len(OWN_COLUMNS) + 1
_WIDEST: Final = 16_384
_MOST_ORIGINS: Final = 1_000
#: Characters of a name that a message shows.
_SHOWN: Final = 60
