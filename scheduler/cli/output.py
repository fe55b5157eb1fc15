"""How commands answer: a table or a sentence for people, one JSON document for programs."""

import getpass
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from shared.legible import escaped, in_one_line

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")

JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


def actor() -> str:
    """Who the audit says did it."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without an entry, as in a container
        return "cli"


def print_json(document: object) -> None:
    """One JSON document on stdout: a view as the API shows it, a list of them, or plain JSON."""
    import orjson

    from shared.views.fields import as_json

    printed = orjson.dumps(as_json(document), option=orjson.OPT_INDENT_2).decode()
    sys.stdout.write(escaped(printed) + "\n")


def say(sentence: str) -> None:
    """A line for people, on stdout."""
    typer.echo(in_one_line(sentence))


def note(sentence: str) -> None:
    """A line for people on stderr, where it does not mix with what is printed for programs."""
    typer.echo(in_one_line(sentence), err=True)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, none: str) -> None:
    """Columns as wide as they need to be, never cut; the sentence `none` if there are no rows."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        say(none)
        return
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for line in (titles, *cells):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def counted(counts: Mapping[str, int]) -> str:
    """`12 delivered, 3 failed`, in the order of life."""
    from shared.domain.message import MessageStatus

    return ", ".join(f"{counts[s]:,} {s}" for s in MessageStatus if counts.get(s)) or "no messages"


def several(count: int, noun: str) -> str:
    """`1 segment`, `1,200 segments`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def checked(model: type[M], given: Mapping[str, Any], *, options: Mapping[str, str]) -> M:
    """`given` as a `model`; `options` are the names of the fields on the command line.

    Raises BadParameter with the sentence the API would say. A value may be secret: none is shown.
    """
    from pydantic import ValidationError

    from scheduler.validation_messages import sentence

    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        places = [str(step) for step in first["loc"]]
        field = next((name for name in reversed(places) if name in options), "".join(places[:1]))
        called = options.get(field, field)
        said = f"{called}: {sentence(first)}" if called else sentence(first)
        raise typer.BadParameter(said) from None


def duration(seconds: float | None) -> str:
    """`4 min 10 s`; empty when it is not known."""
    if seconds is None:
        return ""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def plain(cell: object) -> str:
    """A cell on one line, without what would move the cursor."""
    return "" if cell is None else in_one_line(str(cell))
