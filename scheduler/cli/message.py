"""`volley message`: one message's whole story."""

from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput

if TYPE_CHECKING:  # the command line must answer --help quickly, so the engine is imported late
    from shared.views.messages import Message


def message(
    message_id: Annotated[int, typer.Argument(help="The message's number.", show_default=False)],
    *,
    json_output: JsonOutput = False,
) -> None:
    """Show one message with its timeline: claims, calls, outcomes, callbacks, decisions.

    Example: volley message 1004
    """
    from scheduler.campaigns import status

    found = status.message(message_id)
    if json_output:
        output.print_json(found)
        return
    error = f": {found.error_message.rstrip('.')}" if found.error_message else ""
    output.say(
        f"Message {message_id} to {found.to}, row {found.row} of campaign "
        f"{found.campaign_id}, is {found.status}{error}."
    )
    output.say(f"  {_size(found)}, by agent {found.agent_id}")
    for line in (found.body or "").splitlines():
        output.say(f"  | {output.plain(line)}")
    output.print_table(
        ("AT", "WHAT"),
        [(entry.at, entry.text) for entry in found.timeline],
        none="  Nothing has happened to it yet.",
    )


def _size(found: "Message") -> str:
    if found.body is None:
        return "not composed yet"
    segments = output.several(found.segments or 0, "segment")
    return f"{output.several(len(found.parts), 'part')}, {segments}, {found.encoding}"
