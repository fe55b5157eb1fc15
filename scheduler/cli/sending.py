"""`volley sending`: the switch that stops all sending."""

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput

app = typer.Typer(help="Stop all sending, and start it again.", no_args_is_help=True)


@app.command()
def stop(*, json_output: JsonOutput = False) -> None:
    """Stop all sending: from the answer on, no call is written that was not already claimed.

    Example: volley sending stop
    """
    from scheduler.campaigns import stop_sending

    stop_sending.stop_sending(actor=output.actor())
    _show(json_output)


@app.command()
def start(*, json_output: JsonOutput = False) -> None:
    """Let running campaigns go on.

    Example: volley sending start
    """
    from scheduler.campaigns import stop_sending

    stop_sending.start_sending(actor=output.actor())
    _show(json_output)


@app.command()
def show(*, json_output: JsonOutput = False) -> None:
    """Say whether all sending is stopped.

    Example: volley sending show
    """
    _show(json_output)


def _show(json_output: bool) -> None:
    from scheduler.campaigns import status

    sending = status.sending()
    if json_output:
        output.print_json(sending)
    elif sending.stopped:
        output.say(f"All sending is stopped, by {sending.stopped_by}: 'volley sending start'.")
    else:
        output.say("Sending is on.")
