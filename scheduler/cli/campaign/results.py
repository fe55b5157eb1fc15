"""`volley campaign`, once it has run: retry, decide, export, look back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli import output
from scheduler.cli.campaign import campaign_text
from scheduler.cli.output import JsonOutput
from shared.legible import legible

CampaignId = Annotated[int, typer.Argument(help="The campaign's number.", show_default=False)]


def retry_failed(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """One more message for each recipient whose latest failed in a way that may pass.

    Example: volley campaign retry-failed 7
    """
    from scheduler.campaigns import retry_failed as retry
    from scheduler.campaigns import status as standing
    from shared.views.fields import extended

    retried = retry.retry_failed(campaign_id, actor=output.actor())
    if json_output:
        shown = standing.campaign(campaign_id)
        output.print_json(extended(standing.Retried, shown, retried=retried))
    else:
        output.say(f"Campaign {campaign_id}: {_tried_again(campaign_id, retried)}")


def _tried_again(campaign_id: int, retried: int) -> str:
    from scheduler.campaigns import status as standing

    if retried:
        are = "is" if retried == 1 else "are"
        return f"{output.several(retried, 'message')} {are} tried again."
    counts = standing.campaign(campaign_id).counts
    failed = sum(counts.get(status, 0) for status in ("failed", "undelivered"))
    if not failed:
        return f"nothing to try again: no message of it has failed ({output.counted(counts)})."
    return (
        f"nothing is tried again: the {output.several(failed, 'failure')} would fail the same way "
        f"(why: volley campaign export {campaign_id}, columns error_code and error_message)."
    )


def resolve_unknown(
    campaign_id: CampaignId,
    *,
    resolved: Annotated[str, typer.Option("--as", help="resend or failed.", metavar="END")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit.")],
    json_output: JsonOutput = False,
) -> None:
    """Decide about messages that nobody can prove anything about. To resend may text twice.

    Example: volley campaign resolve-unknown 7 --as failed --reason "asked three of them"
    """
    from scheduler.campaigns import resolve_unknown as unknown
    from scheduler.campaigns import status as standing
    from shared.views.fields import extended

    count = unknown.resolve_unknown(
        campaign_id, unknown.decision(resolved), reason=reason, actor=output.actor()
    )
    if json_output:
        shown = standing.campaign(campaign_id)
        output.print_json(extended(standing.Resolved, shown, resolved=count))
    else:
        became = "sent again" if resolved == "resend" else "failed"
        are = "is" if count == 1 else "are"
        messages = output.several(count, "unknown message")
        output.say(f"Campaign {campaign_id}: {messages} {are} now {became}.")


def export(
    campaign_id: CampaignId,
    *,
    rejects: Annotated[
        bool, typer.Option("--rejects", help="The rejected rows, to mend and upload.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: stdout.", metavar="FILE")
    ] = None,
) -> None:
    """Write the campaign's messages, or its rejected rows, as CSV.

    Example: volley campaign export 7 --rejects --out mend.csv
    """
    from scheduler.campaigns import export as exports

    pieces = exports.rejects_csv(campaign_id) if rejects else exports.messages_csv(campaign_id)
    if out is None:
        seen = sys.stdout.isatty()  # a mark for spreadsheets, and nothing for a person's eye
        for piece in pieces:
            typer.echo(_for_an_eye(piece) if seen else piece, nl=False)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)
    output.note(f"Written: {out}")


def _for_an_eye(piece: str) -> str:
    return legible(piece.removeprefix("\ufeff").replace("\r\n", "\n"))


def timeline(campaign_id: CampaignId, *, json_output: JsonOutput = False) -> None:
    """What was done to a campaign, by whom and when.

    Example: volley campaign timeline 7
    """
    from scheduler.access import audit
    from scheduler.campaigns import status as standing

    standing.campaign(campaign_id)
    entries = audit.page(subject=f"campaign:{campaign_id}", limit=1000)[::-1]
    if json_output:
        output.print_json(entries)
        return
    output.print_table(
        ("AT", "WHO", "DID", "DETAILS"),
        [(e.at, e.actor, e.action, campaign_text.details(e.details)) for e in entries],
        none=f"Nothing is noted about campaign {campaign_id}.",
    )
