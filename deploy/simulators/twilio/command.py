"""`volley carrier`: the simulator as a process of its own."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from deploy.simulators.twilio.accounts import DEFAULT_SID, new_token

DEFAULT_PORT = 4010


def carrier(  # noqa: PLR0913, PLR0917  (the options of a command)
    context: typer.Context,
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")
    ] = DEFAULT_PORT,
    seed: Annotated[int, typer.Option(help="The same seed draws the same faults.")] = 0,
    script: Annotated[
        Path | None, typer.Option(help="JSON: dials as in GET /control, numbers, accounts.")
    ] = None,
    account_sid: Annotated[str, typer.Option(help="SID of the account.")] = DEFAULT_SID,
    auth_token_file: Annotated[
        Path | None, typer.Option(help="A file with its auth token; without one it is made up.")
    ] = None,
    auth_token: Annotated[
        str | None, typer.Option(envvar="VOLLEY_CARRIER_AUTH_TOKEN", hidden=True)
    ] = None,
) -> None:
    """Simulate Twilio: its REST wire, its signed callbacks, and its bad days. Nothing is sent.

    What a number does is told by its last four digits: GET /script lists them. GET /log is the
    ground truth, GET and POST /control the dials, GET / the list of all endpoints.

    Its auth token comes from --auth-token-file or VOLLEY_CARRIER_AUTH_TOKEN; else it is made up,
    and told in the first line.

    Example: volley carrier --port 4010 --seed 7
    """
    from deploy.simulators.kit.running import HOST
    from deploy.simulators.twilio.server import run

    _refuse_on_the_command_line(context, "auth_token")
    given = auth_token if auth_token_file is None else _read(auth_token_file)
    token = given or new_token()

    def ready(bound: int) -> None:
        url = f"http://{HOST}:{bound}"
        told = "" if given else f" token={token}"
        typer.echo(f"carrier SIMULATED url={url} sid={account_sid}{told}")

    try:
        run(
            port=port, seed=seed, script=script, account_sid=account_sid, auth_token=token,
            ready=ready,
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        _fail(f"{script}: {where}: {first['msg']}; fix it and start again")
    except OSError as error:
        what = str(script) if error.filename else f"port {port}"
        _fail(f"{what}: {error.strerror}; choose another one")


def _refuse_on_the_command_line(context: typer.Context, name: str) -> None:
    source = context.get_parameter_source(name)
    if source is not None and source.name == "COMMANDLINE":
        _fail(
            "a command line is read by everybody on this machine: "
            "give the token by VOLLEY_CARRIER_AUTH_TOKEN or --auth-token-file"
        )


def _read(file: Path) -> str:
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{file}: {getattr(error, 'strerror', 'is not text')}; give the file of a token")
    if not token:
        _fail(f"{file} is empty; write the token into it")
    return token


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"volley carrier: {sentence}", err=True)
    raise typer.Exit(1)
