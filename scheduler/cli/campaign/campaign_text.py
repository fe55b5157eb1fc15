"""A campaign, as the command line tells it."""

from datetime import datetime
from typing import TYPE_CHECKING

from scheduler.cli import output
from shared.opaque import Json

if TYPE_CHECKING:  # the command line must answer --help quickly, so the engine is imported late
    from shared.views.campaigns import Campaign
    from shared.views.reports import Report


def print_campaign(campaign_id: int) -> None:
    """One campaign as JSON, as the API shows it."""
    from scheduler.campaigns import status

    output.print_json(status.campaign(campaign_id))


def tell(campaign_id: int) -> None:
    """One campaign for a person: what it is, what was rejected, how far it got."""
    from scheduler.campaigns import status

    campaign = status.campaign(campaign_id)
    reason = f": {campaign.reason.rstrip('.')}" if campaign.reason else ""
    output.say(f"Campaign {campaign_id} “{campaign.name}” is {campaign.status}{reason}.")
    report = campaign.report
    if report is not None:
        output.say(f"  {report.accepted:,} of {report.rows:,} rows accepted, {_segments(campaign)}")
        if report.rejected:
            output.say(
                f"  {report.rejected:,} rejected: "
                f"volley campaign export {campaign_id} --rejects --out mend.csv"
            )
    _warn(report)
    output.say(f"  {output.counted(campaign.counts)}")
    _tell_start(campaign)
    if campaign.eta_seconds:
        left = output.duration(campaign.eta_seconds)
        output.say(f"  {left} left at {campaign.rate:g} a second")


def warn(campaign_id: int) -> None:
    """What is doubtful about a campaign's file, before it is launched."""
    from scheduler.campaigns import status

    _warn(status.campaign(campaign_id).report)


def is_imported(campaign_id: int) -> bool:
    """Whether a campaign's report is whole."""
    from scheduler.campaigns import status

    return status.campaign(campaign_id).status != "draft"


def _warn(report: "Report | None") -> None:
    if report is None:
        return
    for warning in report.warnings:
        rows = ", ".join(map(str, warning.rows))
        where = f"row{'s' if len(warning.rows) > 1 else ''} {rows}: " if rows else ""
        output.say(output.plain(f"  Warning: {where}{warning.message} {warning.fix}"))
    if report.hidden_rows:
        output.say(
            f"  {output.several(report.hidden_rows, 'row')} that the workbook hides left out"
        )


def tell_start(campaign_id: int) -> None:
    """When a campaign that has a `scheduled_at` starts or started; nothing for one without."""
    from scheduler.campaigns import status

    _tell_start(status.campaign(campaign_id))


def _tell_start(campaign: "Campaign") -> None:
    start = campaign.scheduled_at
    if start is None:
        return
    if campaign.started_at:
        output.say(f"  scheduled for {start}, started at {campaign.started_at}")
    elif campaign.status in ("draft", "ready", "scheduled"):
        output.say(f"  {_start(start, launched=campaign.status == 'scheduled')}")


def _start(start: str, *, launched: bool) -> str:
    from shared import clock

    if datetime.fromisoformat(start) > clock.now():
        return f"starts at {start}" if launched else f"once launched, starts at {start}"
    now = "starts as soon as the stack runs" if launched else "once launched, starts at once"
    return f"its start, {start}, has passed: {now}"


def _segments(campaign: "Campaign") -> str:
    if campaign.counts.get("planned") and not campaign.segments:
        return "to be composed"
    return output.several(campaign.segments, "segment")


def next_step(campaign_id: int) -> None:
    """What is to be done with a campaign that was uploaded and not launched."""
    from scheduler.campaigns import status

    if status.campaign(campaign_id).status in ("draft", "ready"):
        output.say(f"  Launch it: volley campaign launch {campaign_id} --watch")


def details(noted: Json) -> str:
    """An audit entry's details in one line."""
    return ", ".join(f"{name}: {value}" for name, value in noted.items())
