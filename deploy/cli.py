"""`volley`: every command, each imported when it is asked for, so that --help answers at once.

Errors are one line on stderr that says what is wrong and what to do: exit 2 for bad usage, 1 for
failure.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import Abort, TyperException

from deploy import trouble
from deploy.trouble import BAD_USAGE, FAILURE
from shared.legible import in_one_line

INTERRUPTED = 130


class Command(NamedTuple):
    """A command, or a group of them: where it is, and its line in --help."""

    module: str
    name: str
    help: str
    #: needs the database: the configured one, or the running stack's
    attached: bool = False


COMMANDS: Final = {
    "demo": Command("deploy.commands", "demo", "Deliver the sample campaign here, and prove it."),
    "up": Command("deploy.commands", "up", "Run the whole stack in the foreground."),
    "ps": Command("deploy.commands", "ps", "Show the running stack's processes."),
    "check": Command(
        "scheduler.cli.check.command", "check", "Validate a campaign file. No database."
    ),
    "campaign": Command(
        "scheduler.cli.campaign.commands", "app", "Upload, launch and watch.", True
    ),
    "message": Command("scheduler.cli.message", "message", "One message's whole story.", True),
    "agent": Command("scheduler.cli.agent", "app", "Make, change and list agents.", True),
    "sending": Command("scheduler.cli.sending", "app", "Stop all sending, and start it.", True),
    "suppress": Command("scheduler.cli.suppress", "app", "Numbers nobody may text.", True),
    "key": Command("scheduler.cli.key", "app", "Make, list and revoke API keys.", True),
    "migrate": Command("deploy.commands", "migrate", "Bring the database to the newest schema."),
    "sweep": Command("deploy.commands", "sweep", "Run the repair loops by hand.", True),
    "doctor": Command("deploy.commands", "doctor", "Check what is set up, and what to do."),
    "clean": Command("deploy.commands", "clean", "Remove data directories without a DATA_DIR."),
    "carrier": Command(
        "deploy.simulators.twilio.command", "carrier", "Run the carrier simulator alone."
    ),
}


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        outcome = _volley().main(list(arguments), prog_name="volley", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except TyperException as error:
        return _usage(error)
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `volley … | head` has seen enough
        sys.stdout = None
        return FAILURE
    except MemoryError:
        typer.echo("volley: it takes more memory than there is: is a file so large?", err=True)
        return FAILURE
    except Exception as error:
        found = trouble.explain(error)
        if found is None:
            raise
        typer.echo(in_one_line(f"volley: {found.sentence}"), err=True)
        return found.code


class Lazy(TyperGroup):
    """Shows commands by their table, imports the one that is used."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command; for an unknown name an error with the most similar one."""
        entry = COMMANDS.get(args[0])
        if entry is None:
            return super().resolve_command(ctx, args)
        return args[0], _load(args[0], entry), args[1:]


def _volley() -> Lazy:
    shown = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}
    return Lazy(
        name="volley",
        help="Volley, a campaign engine for AI SMS agents. Every command has --help.\n\n"
        "Example: volley demo",
        commands=dict(shown),
        no_args_is_help=True,
        rich_markup_mode=None,
    )


def _load(name: str, entry: Command) -> Any:
    found = getattr(import_module(entry.module), entry.name)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        loaded: Any = typer.main.get_group(found)
        leaves = list(loaded.commands.values())
    else:
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(found)
        loaded = typer.main.get_command(alone)
        leaves = [loaded]
    if entry.attached:
        for leaf in leaves:
            leaf.callback = _attached(leaf.callback)
    return loaded


def _attached(command: Callable[..., object]) -> Callable[..., object]:
    """The command, which looks for its database only after its arguments are right."""

    @wraps(command)
    def run_attached(**arguments: Any) -> object:
        from deploy import attach

        attach.attach()
        attach.log_errors_only()
        return command(**arguments)

    return run_attached


def _usage(error: TyperException) -> int:
    message = error.format_message().strip()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message, err=True)
        return BAD_USAGE
    called = context.command_path if context is not None else "volley"
    one_line = " ".join(message.split())
    stop = "" if one_line.endswith((".", "?", "!")) else "."
    typer.echo(in_one_line(f"{called}: {one_line}{stop} Try '{called} --help'."), err=True)
    return BAD_USAGE


if __name__ == "__main__":
    main()
