"""`volley key`: who may use the HTTP API."""

from typing import Annotated

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)],
    *,
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "operator",
    json_output: JsonOutput = False,
) -> None:
    """Make a key and show it, this once.

    Example: volley key create "the booking system" --role operator
    """
    from scheduler.access import keys

    given = keys.NewKey.model_validate({"name": name, "role": role})
    made = keys.create(given, actor=output.actor())
    if json_output:
        output.print_json(made)
    else:
        output.say(made.key)
        output.note(f"Key {made.id}, {role}: keep it now, it is not shown again.")


@app.command("list")
def list_keys(*, json_output: JsonOutput = False) -> None:
    """Show all keys, without their secrets.

    Example: volley key list
    """
    from scheduler.access import keys

    found = keys.everything()
    if json_output:
        output.print_json(found)
        return
    output.print_table(
        ("ID", "KEY", "ROLE", "MADE", "REVOKED", "NAME"),
        [(k.id, k.shown, k.role, k.created_at, k.revoked_at, k.name) for k in found],
        none="No key yet: volley key create NAME --role operator",
    )


@app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(help="The key's number.", show_default=False)],
    *,
    json_output: JsonOutput = False,
) -> None:
    """Revoke a key: from now on it opens nothing.

    Example: volley key revoke 3
    """
    from scheduler.access import keys

    keys.revoke(key_id, actor=output.actor())
    if json_output:
        output.print_json({"id": key_id, "revoked": True})
    else:
        output.say(f"Key {key_id} opens nothing any more.")
