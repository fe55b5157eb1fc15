"""`volley carrier`: the simulator as a process of its own."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from deploy.local.carrier.accounts import DEFAULT_SID, DEFAULT_TOKEN

DEFAULT_PORT = 4010


def carrier(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")
    ] = DEFAULT_PORT,
    seed: Annotated[int, typer.Option(help="The same seed draws the same faults.")] = 0,
    script: Annotated[
        Path | None, typer.Option(help="JSON: dials as in GET /control, numbers, accounts.")
    ] = None,
    account_sid: Annotated[str, typer.Option(help="SID of the account.")] = DEFAULT_SID,
    auth_token: Annotated[str, typer.Option(help="Its auth token.")] = DEFAULT_TOKEN,
) -> None:
    """Simulate Twilio: its REST wire, its signed callbacks, and its bad days. Nothing is sent.

    What a number does is told by its last four digits: GET /script lists them. GET /log is the
    ground truth, GET and POST /control the dials, GET / the list of all endpoints.

    Example: volley carrier --port 4010 --seed 7
    """
    from deploy.local.carrier.carrier import HOST, run

    def ready(bound: int) -> None:
        url = f"http://{HOST}:{bound}"
        typer.echo(f"carrier SIMULATED url={url} sid={account_sid} token={auth_token}")

    try:
        run(
            port=port,
            seed=seed,
            script=script,
            account_sid=account_sid,
            auth_token=auth_token,
            ready=ready,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        _fail(f"{script}: {where}: {first['msg']}; mend it and start again")
    except OSError as error:
        what = str(script) if error.filename else f"port {port}"
        _fail(f"{what}: {error.strerror}; choose another one")


def _fail(sentence: str) -> None:
    typer.echo(f"volley carrier: {sentence}", err=True)
    raise typer.Exit(1)
