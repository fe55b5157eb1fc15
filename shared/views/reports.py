"""What the import of a file says of it: the report in a campaign, as it was stored."""

from dataclasses import dataclass
from typing import Annotated

from shared.opaque import Json
from shared.views.fields import left_out, of_json, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What is doubtful about a file and goes on all the same."""

    code: Annotated[str, told("A word for programs.", "hidden_rows")]
    message: Annotated[str, told("What was seen.", "2 rows are hidden.")]
    rows: Annotated[list[int], told("The first rows concerned; the header is row 1.", [3, 9])]
    fix: Annotated[str, told("What to do.", "Show the rows, or upload with include_hidden.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that was not accepted."""

    row: Annotated[int, told("Its number in the file; the header is row 1.", 5)]
    column: Annotated[str, told("The column at fault; empty for the whole row.", "phone")]
    value: Annotated[str, told("What stands there, at most 200 characters of it.", "12")]
    code: Annotated[str, told("A word for programs.", "invalid_phone")]
    reason: Annotated[str, told("What is wrong.", "It is the rest of a number.")]
    fix: Annotated[str, told("What to do.", "Write the whole number.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What the accepted rows cost, in segments."""

    total: Annotated[int, told("All of them together.", 5032)]
    min: Annotated[int, told("The cheapest text.", 1)]
    max: Annotated[int, told("The dearest text.", 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file's rows; while it is imported, of the rows so far."""

    rows: Annotated[int, told("Rows below the header.", 3062)]
    accepted: Annotated[int, told("Rows that became a message.", 3000)]
    rejected: Annotated[int, told("Rows that did not.", 62)]
    duplicates: Annotated[int, told("Of the rejected, those whose number came before.", 8)]
    hidden_rows: Annotated[int, told("Rows that the workbook hides, left out.", 0)]
    warnings: Annotated[list[Warned], told("What is doubtful.", [])]
    encoding: Annotated[str, told("How the file's bytes were read.", "utf-8")]
    delimiter: Annotated[str | None, told("Between its columns; null for a workbook.", ",")]
    segments: Segments
    ucs2_characters: Annotated[
        list[str], told("Characters that force UCS-2, the most frequent first.", ["Ж"])
    ]
    eta_seconds: Annotated[float, told("Seconds that sending takes at the agents' pace.", 600.0)]
    rejects: Annotated[
        list[RejectedRow] | None, left_out("The first of them; lists leave them out.", [])
    ] = None


def of_stored(stored: Json | None) -> Report | None:
    """The report as it stands in the ledger."""
    return None if stored is None else of_json(Report, stored)
