"""`volley suppress`: numbers nobody may text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput
from scheduler.cli.reading_options import Delimiter, Encoding, IncludeHidden, divider

if TYPE_CHECKING:  # the command line must answer --help quickly, so the engine is imported late
    from scheduler.people.suppressions import Imported

_FIRST: Final = 5  # rows shown of a kind
_KINDS: Final = 30  # reasons shown
_REJECTS: Final = 20

app = typer.Typer(help="Keep the list of numbers nobody may text.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="The number, best with + and country code.")]


@app.command()
def add(
    number: Number,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the next who asks.")] = None,
    json_output: JsonOutput = False,
) -> None:
    """Suppress one number. From the answer on no message to it is claimed.

    Example: volley suppress add +12025550123 --reason "asked on the phone"
    """
    from scheduler.people import suppressions
    from shared.views.fields import as_json

    options = {"number": "NUMBER", "reason": "--reason"}
    told = {"number": number, "reason": reason}
    given = output.checked(suppressions.NewSuppression, told, options=options)
    added, fresh = suppressions.add(given, actor=output.actor())
    if json_output:
        output.print_json(as_json(added) | {"added": fresh})
    else:
        output.say(f"{added.number} is suppressed." if fresh else "It was suppressed before.")


@app.command()
def remove(number: Number, *, json_output: JsonOutput = False) -> None:
    """Lift a suppression: the person asked to be texted again.

    Example: volley suppress remove +12025550123
    """
    from scheduler.people import suppressions

    suppressions.remove(number, actor=output.actor())
    if json_output:
        output.print_json({"number": suppressions.normalised(number), "removed": True})
    else:
        output.say("It may be texted again.")


@app.command("import")
def import_file(  # noqa: PLR0913  (a command's options are its arguments)
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, XLSX, a message log, or a number a line.", exists=True, dir_okay=False
        ),
    ],
    *,
    phone_column: Annotated[
        str | None, typer.Option(help="The column with the numbers, if there are several.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Of numbers without a country code.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    include_hidden: IncludeHidden = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Suppress numbers that an agent sends from, too.")
    ] = False,
    json_output: JsonOutput = False,
) -> None:
    """Suppress whom a file says has opted out. Exit 1 if some rows could not be read.

    A list suppresses every number in it. A column such as opted_out, sms_opt_in or DNC is honoured.
    Of a message log those are suppressed who sent a stop word. What is doubtful is told and left
    alone; the other rows are kept.

    Example: volley suppress import opted-out.csv
    """
    from scheduler.ingest import Reading, resource_limits
    from scheduler.people import suppressions

    with file.open("rb") as source, resource_limits.limited_memory():
        done = suppressions.import_file(
            source,
            filename=file.name,
            region=region,
            actor=output.actor(),
            phone_column=phone_column,
            reading=Reading(encoding, divider(delimiter), include_hidden),
            own_senders=yes,
        )
    if json_output:
        output.print_json(done)
    else:
        _tell(file.name, done)
    raise typer.Exit(1 if done.rejected else 0)


def _tell(name: str, done: "Imported") -> None:
    output.say(f"{name} was read as {done.read_as}.")
    output.say(f"{output.several(done.added, 'number')} suppressed, {done.already:,} were before.")
    output.say("")
    output.print_table(("", "WHY", "ROWS", "FIRST"), _reasons(done), none="Every row was read.")
    for warning in done.warnings:
        where = f"row {warning.rows[0]}: " if warning.rows else ""
        output.note(output.plain(f"warning: {where}{warning.message} {warning.fix}"))
    for told in done.rejected[:_REJECTS]:
        said = f"row {told.row}: {told.value}: {told.reason} {told.fix}"
        output.note(output.plain(said))
    if len(done.rejected) > _REJECTS:
        output.note(f"… and {len(done.rejected) - _REJECTS:,} more; --json tells them all.")


def _reasons(done: "Imported") -> list[tuple[str, str, int, str]]:
    """Why rows suppress nobody: those left out, then those that could not be read."""
    told = [("left out", left.reason, left.count, left.rows) for left in done.left_out]
    if done.hidden_rows:
        why = "The workbook hides them; --include-hidden takes them in."
        told.append(("left out", why, done.hidden_rows, []))
    unread: dict[str, list[int]] = {}
    for rejected in done.rejected:
        unread.setdefault(rejected.reason, []).append(rejected.row)
    kinds = sorted(unread.items(), key=lambda kind: -len(kind[1]))[:_KINDS]
    told += [("not read", why, len(rows), rows) for why, rows in kinds]
    return [(what, why, count, _first(rows)) for what, why, count, rows in told]


def _first(rows: list[int]) -> str:
    return ", ".join(map(str, rows[:_FIRST])) + (", …" if len(rows) > _FIRST else "")


@app.command("list")
def list_suppressions(
    *,
    after: Annotated[str, typer.Option(help="Go on behind this number.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 1000,
    json_output: JsonOutput = False,
) -> None:
    """Show suppressed numbers, in their order.

    Example: volley suppress list --json
    """
    from scheduler.people import suppressions

    found = suppressions.page(after=after, limit=limit)
    if json_output:
        output.print_json(found)
        return
    output.print_table(
        ("NUMBER", "SINCE", "SOURCE", "REASON"),
        [(s.number, s.created_at, s.source, s.reason) for s in found],
        none="No number is suppressed.",
    )
