"""`volley agent`: who speaks, from which numbers, how fast."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli import output
from scheduler.cli.output import JsonOutput
from shared.opaque import Json

if TYPE_CHECKING:  # the command line must answer --help quickly, so the engine is imported late
    from shared.views.agents import AgentView, HoldView, SenderView

app = typer.Typer(help="Make, change and list agents.", no_args_is_help=True)

AgentId = Annotated[
    str, typer.Argument(help="Its id: letters, digits, dots and dashes.", show_default=False)
]
Name = Annotated[str | None, typer.Option(help="For people.")]
Senders = Annotated[
    list[str] | None,
    typer.Option("--sender", help="A number it speaks from. Repeat it; the first is primary."),
]
SegmentsPerSecond = Annotated[
    str | None,
    typer.Option(help="Most segments a second of each sender, 0.1 to 1000; “none”: no limit."),
]
SegmentsPerDay = Annotated[
    str | None, typer.Option(help="Most segments a day of each sender; “none”: no limit.")
]
MessagingService = Annotated[str | None, typer.Option(help="SID of a messaging service (MG…).")]
Rate = Annotated[
    float | None, typer.Option(help="Session starts a second, 1 to 5.", show_default=False)
]
Timezone = Annotated[str | None, typer.Option(help="Such as America/New_York.")]
OpenerTemplate = Annotated[str | None, typer.Option(help="How it opens: “Hi {first_name}, …”.")]
AccountSid = Annotated[str | None, typer.Option(help="Of an account of its own (AC…).")]
AuthToken = Annotated[
    str | None, typer.Option(help="The account's; “-” reads it from stdin, which nobody sees.")
]
#: What the fields of an agent are called on the command line.
_OPTIONS = {
    "id": "AGENT_ID",
    "senders": "--sender",
    "segments_per_second": "--segments-per-second",
    "segments_per_day": "--segments-per-day",
    "messaging_service_sid": "--messaging-service",
    "sessions_per_second": "--rate",
    "effective_at": "--effective-at",
    "status": "--status",
    "name": "--name",
    "timezone": "--timezone",
    "opener": "--opener-template",
    "account_sid": "--account-sid",
    "auth_token": "--auth-token",
    "api_url": "--api-url",
}
ApiUrl = Annotated[str | None, typer.Option(help="Where the account's API is, if elsewhere.")]


@app.command()
def add(  # noqa: PLR0913  (a command's options are its arguments)
    agent_id: AgentId,
    *,
    sender: Senders = None,
    segments_per_second: SegmentsPerSecond = None,
    segments_per_day: SegmentsPerDay = None,
    messaging_service: MessagingService = None,
    rate: Rate = None,
    name: Name = None,
    timezone: Timezone = None,
    opener_template: OpenerTemplate = None,
    account_sid: AccountSid = None,
    auth_token: AuthToken = None,
    api_url: ApiUrl = None,
    json_output: JsonOutput = False,
) -> None:
    """Make an agent.

    Example: volley agent add sales --sender +15005550006 --rate 5
    """
    from scheduler.agents import store
    from scheduler.agents.settings import NewAgent

    limits = _limits(segments_per_second, segments_per_day)
    given = _given(
        name=name,
        senders=_senders(sender, limits, present=()),
        messaging_service_sid=messaging_service,
        sessions_per_second=rate,
        timezone=timezone,
        opener=_opener(opener_template),
        provider_settings=_account(account_sid, auth_token, api_url),
    )
    new = output.checked(NewAgent, given | {"id": agent_id}, options=_OPTIONS)
    made = store.create(new, actor=output.actor())
    _answer(made, json_output=json_output)


@app.command("set")
def change(  # noqa: PLR0913  (a command's options are its arguments)
    agent_id: AgentId,
    *,
    sender: Senders = None,
    segments_per_second: SegmentsPerSecond = None,
    segments_per_day: SegmentsPerDay = None,
    messaging_service: MessagingService = None,
    rate: Rate = None,
    effective_at: Annotated[
        str | None, typer.Option(help="From when the new rate counts; default: now.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="paused, or active, which lifts its holds.")
    ] = None,
    name: Name = None,
    timezone: Timezone = None,
    opener_template: OpenerTemplate = None,
    account_sid: AccountSid = None,
    auth_token: AuthToken = None,
    api_url: ApiUrl = None,
    json_output: JsonOutput = False,
) -> None:
    """Change an agent: what is given changes, the rest stays. --sender replaces all its senders.

    Example: volley agent set sales --rate 3 --status active
    """
    from scheduler.agents import store
    from scheduler.agents.settings import AgentChanges

    limits = _limits(segments_per_second, segments_per_day)
    present = store.show(agent_id).senders if limits else ()
    given = _given(
        name=name,
        senders=_senders(sender, limits, present=present),
        messaging_service_sid=messaging_service,
        sessions_per_second=rate,
        effective_at=effective_at,
        status=status,
        timezone=timezone,
        opener=_opener(opener_template),
        provider_settings=_account(account_sid, auth_token, api_url),
    )
    if not given:
        raise typer.BadParameter("nothing to change: give an option, such as --rate 3.")
    changes = output.checked(AgentChanges, given, options=_OPTIONS)
    changed = store.change(agent_id, changes, actor=output.actor())
    _answer(changed, json_output=json_output)


@app.command("list")
def list_agents(*, json_output: JsonOutput = False) -> None:
    """Show all agents, and what holds them.

    Example: volley agent list
    """
    from scheduler.agents import store

    found = store.page(limit=100_000)
    if json_output:
        output.print_json(found)
        return
    output.print_table(
        ("ID", "STATUS", "RATE", "SPEAKS FROM", "HELD BY"),
        [(a.id, a.status, f"{a.sessions_per_second:g}/s", _from(a), _held(a)) for a in found],
        none="No agent yet: volley agent add ID --sender +15005550006 --rate 5",
    )


def _given(**options: object) -> Json:
    return {name: value for name, value in options.items() if value is not None}


def _senders(
    numbers: list[str] | None,
    limits: dict[str, float | None],
    *,
    present: "Sequence[SenderView]",
) -> list[Json] | None:
    """These numbers, or those it speaks from at present, with these limits in place of theirs."""
    kept = ("number", "primary", "segments_per_second", "segments_per_day")
    senders = [_given(**{name: getattr(one, name) for name in kept}) for one in present]
    if numbers:
        senders = [{"number": number, "primary": n == 0} for n, number in enumerate(numbers)]
    elif limits and not senders:
        raise typer.BadParameter("there is no sender to limit: give it one with --sender.")
    return [sender | limits for sender in senders] or None


def _limits(per_second: str | None, per_day: str | None) -> dict[str, float | None]:
    """What is said about limits, by field; “none” takes a limit away."""
    said: dict[str, float | None] = {}
    for name, given, number in (
        ("segments_per_second", per_second, float),
        ("segments_per_day", per_day, int),
    ):
        try:
            if given is not None:
                said[name] = None if given.lower() == "none" else number(given)
        except ValueError:
            raise typer.BadParameter(
                f"{_OPTIONS[name]} is a number of segments, or none, not {given!r}."
            ) from None
    return said


def _opener(template: str | None) -> dict[str, str] | None:
    return {"kind": "template", "template": template} if template is not None else None


def _account(sid: str | None, token: str | None, url: str | None) -> dict[str, str] | None:
    if sid is None and token is None and url is None:
        return None
    if sid is None or token is None:
        raise typer.BadParameter("an account of its own takes --account-sid and --auth-token.")
    secret = sys.stdin.readline().strip() if token == "-" else token
    return _given(account_sid=sid, auth_token=secret, api_url=url)


def _answer(agent: "AgentView", *, json_output: bool) -> None:
    if json_output:
        output.print_json(agent)
        return
    pace = f"{agent.sessions_per_second:g} a second"
    output.say(f"Agent {agent.id} is {agent.status}: {pace}, from {_from(agent)}.")


def _from(agent: "AgentView") -> str:
    numbers = [sender.number + _limited(sender) for sender in agent.senders]
    shown = numbers[:3] + ([f"{len(numbers) - 3} more"] if len(numbers) > 3 else [])
    return ", ".join(shown) or str(agent.messaging_service_sid)


def _limited(sender: "SenderView") -> str:
    """` (1/s, 40 of 2,000 today)`: what its number may carry, in segments."""
    said = []
    if sender.segments_per_second is not None:
        said.append(f"{sender.segments_per_second:g}/s")
    if sender.segments_per_day is not None:
        said.append(f"{sender.segments_today:,} of {sender.segments_per_day:,} today")
    return f" ({', '.join(said)})" if said else ""


def _held(agent: "AgentView") -> str:
    return "; ".join(map(_hold, agent.holds))


def _hold(hold: "HoldView") -> str:
    subject = hold.subject or ""
    whom = f" +{subject}" if hold.scope == "country" else f" {subject}" if subject else ""
    end = f" until {hold.until}" if hold.until else ""
    return f"{hold.scope}{whom}, error {hold.code}{end}: {hold.fix}"
