"""`volley campaign`: upload, launch, watch, and everything an operator does afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli import output
from scheduler.cli.campaign import campaign_text, results
from scheduler.cli.campaign.results import CampaignId
from scheduler.cli.output import JsonOutput
from scheduler.cli.reading_options import Delimiter, Encoding, IncludeHidden, divider
from shared.legible import in_one_line
from shared.opaque import Json

app = typer.Typer(help="Upload, launch and watch campaigns.", no_args_is_help=True)


#: What the fields of a campaign are called on the command line.
_OPTIONS = {
    "name": "--name",
    "agent_ids": "--agent",
    "message": "--message",
    "initial_prompt": "--prompt",
    "window": "--window",
    "region": "--region",
    "phone_column": "--phone-column",
    "encoding": "--encoding",
    "delimiter": "--delimiter",
    "include_hidden": "--include-hidden",
    "priority": "--priority",
    "send_before": "--send-before",
    "scheduled_at": "--scheduled-at",
}


@app.command()
def create(  # noqa: PLR0913  (a command's options are its arguments)
    file: Annotated[
        Path,
        typer.Argument(help="CSV or XLSX.", exists=True, dir_okay=False, show_default=False),
    ],
    *,
    agent: Annotated[
        list[str], typer.Option(help="Who speaks. Repeat it for several.", show_default=False)
    ],
    message: Annotated[
        str | None, typer.Option(help='The text: "Hi {first_name}, …".', show_default=False)
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What the agent's opener is about.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    window: Annotated[str | None, typer.Option(help='"always" for transactional texts.')] = None,
    region: Annotated[str | None, typer.Option(help="Of numbers without a country code.")] = None,
    phone_column: Annotated[str | None, typer.Option(help="The column with the numbers.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    include_hidden: IncludeHidden = False,
    priority: Annotated[str, typer.Option(help="bulk or reminder.")] = "bulk",
    send_before: Annotated[
        str | None, typer.Option(help="What has not gone by then expires: 2026-12-01T18:00Z.")
    ] = None,
    scheduled_at: Annotated[
        str | None,
        typer.Option(help="Launched before, it waits until then; later, it starts at once."),
    ] = None,
    launch: Annotated[bool, typer.Option("--launch", help="Launch it at once.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    json_output: JsonOutput = False,
) -> None:
    """Upload a file as a campaign. The same file and options again give the same campaign.

    Example: volley campaign create guests.csv --agent sales --message "Hi {first_name}!" --launch
    """
    if message is None and prompt is None:
        raise typer.BadParameter("give --message TEXT or --prompt TEXT: what shall it say?")
    if message is not None and prompt is not None:
        raise typer.BadParameter(
            "give --message or --prompt, not both: with a prompt the agent's opener is sent."
        )
    given = {
        "name": name or in_one_line(file.stem),
        "agent_ids": agent,
        "mode": "agent" if prompt is not None else "direct",
        "message": message,
        "initial_prompt": prompt,
        "window": window,
        "region": region,
        "phone_column": phone_column,
        "encoding": encoding,
        "delimiter": divider(delimiter),
        "include_hidden": include_hidden or None,
        "priority": priority,
        "send_before": send_before,
        "scheduled_at": scheduled_at,
    }
    campaign_id = _uploaded(file, given, quiet=json_output)
    told = campaign_text.is_imported(campaign_id)  # else its warnings are told once it is
    if not launch and not json_output:
        campaign_text.next_step(campaign_id)
    if launch:
        _launched(campaign_id, quiet=json_output, told=told)
    if watch:
        _watched(campaign_id, quiet=json_output)
    if json_output:
        campaign_text.print_campaign(campaign_id)


@app.command("list")
def list_campaigns(
    *,
    status: Annotated[str, typer.Option(help="Only those with this status.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    json_output: JsonOutput = False,
) -> None:
    """Show the newest campaigns.

    Example: volley campaign list --status running
    """
    from scheduler.campaigns import status as standing
    from shared.domain.campaign import CampaignStatus

    if status and status not in set(CampaignStatus):
        raise typer.BadParameter(f"--status is one of: {', '.join(CampaignStatus)}.")
    found = standing.campaigns(status=status, limit=limit)
    if json_output:
        output.print_json(found)
        return
    output.print_table(
        ("ID", "STATUS", "LEFT", "NAME", "MESSAGES"),
        [
            (
                c.id,
                c.status,
                output.duration(c.eta_seconds),
                c.name,
                output.counted(c.counts),
            )
            for c in found
        ],
        none=f"No campaign is {status}: volley campaign list shows them all"
        if status
        else "No campaign yet: volley campaign create FILE --agent ID --message TEXT",
    )


@app.command()
def show(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """Show one campaign: status, counts, pace and time left.

    Example: volley campaign show 7
    """
    if json_output:
        campaign_text.print_campaign(campaign_id)
    else:
        campaign_text.tell(campaign_id)


@app.command()
def launch(
    campaign_id: CampaignId,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    json_output: JsonOutput = False,
) -> None:
    """Start sending, or wait for its scheduled time.

    Example: volley campaign launch 7 --watch
    """
    _launched(campaign_id, quiet=json_output)
    if watch:
        _watched(campaign_id, quiet=json_output)
    if json_output:
        campaign_text.print_campaign(campaign_id)


@app.command()
def pause(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """Stop sending; what the provider has accepted still arrives.

    Example: volley campaign pause 7
    """
    from scheduler.campaigns import lifecycle

    _moved(lifecycle.pause, campaign_id, quiet=json_output)


@app.command()
def resume(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """Go on sending a paused campaign.

    Example: volley campaign resume 7
    """
    from scheduler.campaigns import lifecycle

    _moved(lifecycle.resume, campaign_id, quiet=json_output)


@app.command()
def cancel(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """Call back everything unsent, for good.

    Example: volley campaign cancel 7
    """
    from scheduler.campaigns import lifecycle

    _moved(lifecycle.cancel, campaign_id, quiet=json_output)


app.command("retry-failed")(results.retry_failed)
app.command("resolve-unknown")(results.resolve_unknown)
app.command("export")(results.export)
app.command("timeline")(results.timeline)


def _uploaded(file: Path, given: Json, *, quiet: bool) -> int:
    from scheduler import import_process
    from scheduler.campaigns import create as creation
    from scheduler.campaigns.settings import CampaignSettings

    import_process.start()  # it gets ready while the file is stored
    said = {name: value for name, value in given.items() if value is not None}
    chosen = output.checked(CampaignSettings, said, options=_OPTIONS)
    with file.open("rb") as source:
        created = creation.create(
            filename=file.name,
            chunks=iter(lambda: source.read(1 << 20), b""),
            chosen=chosen,
            actor=output.actor(),
        )
    if not quiet:
        if not created.fresh:
            output.say("This file with these options was uploaded before:")
        campaign_text.tell(created.campaign_id)
        if chosen.mode == "agent":
            output.say(f"  The opener is the agent's template: {output.plain(created.template)}")
    return created.campaign_id


def _launched(campaign_id: int, *, quiet: bool, told: bool = False) -> None:
    from scheduler.campaigns import lifecycle

    _wait_for_import(campaign_id)
    if not quiet and not told:
        campaign_text.warn(campaign_id)
    _moved(lifecycle.launch, campaign_id, quiet=quiet, show=False)
    if not quiet:
        campaign_text.tell_start(campaign_id)


def _wait_for_import(campaign_id: int) -> None:
    import time

    from scheduler.campaigns import status as standing

    told = False
    while standing.campaign(campaign_id).status == "draft":
        if not told:
            output.note("The file is being imported …")
            told = True
        time.sleep(0.5)


def _watched(campaign_id: int, *, quiet: bool) -> None:
    from scheduler.cli.campaign.watch import watch

    try:
        watch([campaign_id], quiet=quiet)
    except KeyboardInterrupt:
        output.note(f"It goes on without you: volley campaign show {campaign_id}")
        raise typer.Exit(130) from None
    if not quiet:
        campaign_text.tell(campaign_id)


def _moved(move: Callable[..., str], campaign_id: int, *, quiet: bool, show: bool = True) -> None:
    status = move(campaign_id, actor=output.actor())
    if not quiet:
        output.say(f"Campaign {campaign_id} is {status}.")
    elif show:
        campaign_text.print_campaign(campaign_id)
