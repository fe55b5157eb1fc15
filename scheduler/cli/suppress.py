"""`volley suppress`: numbers nobody may text."""

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput

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
    from scheduler import suppressions

    options = {"number": "NUMBER", "reason": "--reason"}
    told = {"number": number, "reason": reason}
    given = output.checked(suppressions.NewSuppression, told, options=options)
    added, fresh = suppressions.add(given, actor=output.actor())
    if json_output:
        output.print_json(added | {"added": fresh})
    else:
        output.say(f"{added['number']} is suppressed." if fresh else "It was suppressed before.")


@app.command()
def remove(number: Number, *, json_output: JsonOutput = False) -> None:
    """Lift a suppression: the person asked to be texted again.

    Example: volley suppress remove +12025550123
    """
    from scheduler import suppressions

    suppressions.remove(number, actor=output.actor())
    if json_output:
        output.print_json({"number": suppressions.normalised(number), "removed": True})
    else:
        output.say("It may be texted again.")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, or a number a line.", exists=True)],
    *,
    region: Annotated[str | None, typer.Option(help="Of numbers without a country code.")] = None,
    json_output: JsonOutput = False,
) -> None:
    """Suppress every number of a file. Exit 1 if some could not be read; the others are kept.

    Example: volley suppress import opted-out.csv
    """
    from dataclasses import asdict

    from scheduler import suppressions

    with file.open("rb") as source:
        done = suppressions.import_file(
            source, filename=file.name, region=region, actor=output.actor()
        )
    if json_output:
        output.print_json(asdict(done))
    else:
        output.say(
            f"{output.several(done.added, 'number')} suppressed, {done.already:,} were before."
        )
        for rejected in done.rejected[:20]:
            output.note(f"row {rejected['row']}: {rejected['reason']} {rejected['fix']}")
        if len(done.rejected) > 20:
            output.note(f"… and {len(done.rejected) - 20:,} more; --json tells them all.")
    raise typer.Exit(1 if done.rejected else 0)


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
    from scheduler import suppressions

    found = suppressions.page(after=after, limit=limit)
    if json_output:
        output.print_json(found)
        return
    output.print_table(
        ("NUMBER", "SINCE", "SOURCE", "REASON"),
        [(s["number"], s["created_at"], s["source"], s["reason"]) for s in found],
        none="No number is suppressed.",
    )
