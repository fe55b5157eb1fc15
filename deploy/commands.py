"""The commands about the stack itself: up, ps, doctor, clean, migrate, sweep, demo."""

import json
from pathlib import Path
from typing import Annotated

import typer

JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


def up(
    *,
    port: Annotated[
        int | None,
        typer.Option(
            help="Of the API; default: 8080, or the next free one.",
            min=0,
            max=65535,
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Sending processes; default: one a core.", min=1)
    ] = None,
    schedulers: Annotated[
        int, typer.Option(help="They share the agents; one is enough for one machine.", min=1)
    ] = 1,
    no_carrier: Annotated[
        bool, typer.Option("--no-carrier", help="Without the carrier simulator.")
    ] = False,
    no_flower: Annotated[bool, typer.Option("--no-flower", help="Without Flower.")] = False,
) -> None:
    """Run the whole stack in the foreground; Ctrl-C or SIGTERM stops it cleanly.

    Example: volley up --port 8080 --workers 2
    """
    from deploy.local.stack import up as run

    run(
        port=port,
        workers=workers,
        schedulers=schedulers,
        carrier=not no_carrier,
        flower=not no_flower,
    )


def ps(*, json_output: JsonOutput = False) -> None:
    """Show the running stack's processes.

    Example: volley ps --json
    """
    from deploy.local.system import pid_table
    from shared.settings import settings

    data_dir = settings().data_dir.absolute()
    rows = pid_table.ps(data_dir)
    if json_output:
        print(json.dumps(rows))
        return
    if not rows:
        print("no stack is running here: start it with 'volley up'")
    named = pid_table.names(data_dir)
    for row in rows:
        name = named.get(row["pid"], f"a child of the {row['role']}")
        print(f"{row['role']:<12} {row['pid']:>8} {row['up_seconds']:>10.1f} s  {name}")


def doctor(*, json_output: JsonOutput = False) -> None:
    """Check settings, database, broker, credentials and public URL. Exit 1 if something fails.

    Example: volley doctor
    """
    from deploy.local.doctor.examination import doctor as examine

    raise typer.Exit(examine(as_json=json_output))


def clean(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="Only these.", metavar="[DIRECTORY]...", show_default=False),
    ] = None,
    *,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Ask nothing: remove those whose DATA_DIR is certainly gone, and those named.",
        ),
    ] = False,
) -> None:
    """List root's data directories that no DATA_DIR leads to, and remove those unused for a day.

    Never one on which a server runs or whose lock is held. An ordinary user's data lie in DATA_DIR
    itself and go with it.

    Example: volley clean
    """
    from deploy.local.data_dirs.clean import clean as run

    def ask(question: str) -> bool:
        try:
            return typer.confirm(question)
        except typer.Abort:  # nobody is there to answer
            typer.echo("no answer: it stays")
            return False

    raise typer.Exit(run(named=directories or (), yes=yes, ask=ask))


def migrate() -> None:
    """Bring the database to the newest schema.

    Example: volley migrate
    """
    from deploy.local.servers.database import migrate as upgrade

    upgrade()
    print("The database has the newest schema.")


def sweep(
    *,
    loop: Annotated[bool, typer.Option("--loop", help="Again and again, until stopped.")] = False,
    json_output: JsonOutput = False,
) -> None:
    """Run the repair loops once, or --loop, without the broker.

    Example: volley sweep
    """
    from deploy.local.servers.database import require
    from scheduler.loops import run_all
    from shared.logging import configure_logging

    require()  # a loop's failure goes to the log, and the next one runs
    configure_logging("sweep")
    names = run_all(loop=loop)
    print(json.dumps({"ran": names}) if json_output else f"Ran: {', '.join(names)}.")


def demo(
    *,
    rows: Annotated[int, typer.Option(help="How many recipients.", min=1)] = 5000,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack running after.")] = False,
) -> None:
    """Upload, launch and deliver the sample campaign on this machine, and prove it.

    Example: volley demo --rows 500
    """
    from deploy.demo import run

    raise typer.Exit(run(rows=rows, keep=keep))
