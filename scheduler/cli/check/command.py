"""`volley check`: what a campaign file would do, told before anything is sent or stored."""

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn

import typer

from scheduler.cli.reading_options import Delimiter, Encoding, IncludeHidden, divider
from shared.errors import Refused
from shared.legible import escaped, in_one_line
from shared.opaque import Json

if TYPE_CHECKING:  # the command line must answer --help quickly, so the engine is imported late
    from scheduler.cli.check.check_report import Findings
    from scheduler.ingest import Plan, Rows


def check(  # noqa: PLR0913  (a command's options are its arguments)
    file: Annotated[Path, typer.Argument(help="The CSV or XLSX file.", metavar="FILE")],
    *,
    region: Annotated[
        str | None,
        typer.Option(
            help="Country of the numbers without a country code, such as US or GB. "
            "Default: VOLLEY_DEFAULT_REGION, else US."
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(help='The text, with placeholders: "Hi {first_name}, …". Counts segments.'),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(help="Write the rejected rows here, to mend and upload.", metavar="OUT.csv"),
    ] = None,
    phone_column: Annotated[
        str | None, typer.Option(help="The column with the numbers, if its name does not say so.")
    ] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    include_hidden: IncludeHidden = False,
    rate: Annotated[
        float, typer.Option(help="Session starts a second of all agents together, for the time.")
    ] = 1.0,
    split_at: Annotated[
        int, typer.Option(help="Characters after which a long text goes on in another message.")
    ] = 1600,
    smart_encoded: Annotated[
        bool, typer.Option("--smart-encoded", help="Count as with Twilio's smart encoding.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document.")
    ] = False,
) -> None:
    """Validate a campaign file without a database. Exit 0: every row accepted; 1: some rejected.

    Example: volley check guests.csv --message "Hi {first_name}, see you at 7!" --rejects mend.csv
    """
    from scheduler.ingest import Plan, Reading, open_rows, resource_limits
    from shared.settings import settings

    if rate <= 0:
        _stop("--rate must be more than 0, such as 5.")
    plan = Plan(
        template=message,
        region=region or settings().default_region,
        phone_column=phone_column,
        split_at=split_at,
        smart_encoded=smart_encoded,
        rate=rate,
    )
    reading = Reading(encoding, divider(delimiter), include_hidden)
    out = _elsewhere(rejects, file)
    try:
        with _opened(file) as source, resource_limits.limited_memory():
            rows = open_rows(source, filename=file.name, reading=reading)
            findings = _look(source, rows, plan=plan, out=out)
    except Refused as error:
        _stop(error.message)
    if json_output:
        _print_json(findings.report.report().as_dict())
    else:
        findings.tell(rejects)
    raise typer.Exit(1 if findings.report.codes else 0)


def _stop(sentence: str) -> NoReturn:
    typer.echo(in_one_line(f"volley check: {sentence}"), err=True)
    raise typer.Exit(2)


def _opened(file: Path) -> BinaryIO:
    if not file.exists():
        _stop(f"there is no file {file}. Give the path of a CSV or XLSX file.")
    if file.is_dir():
        _stop(f"{file} is a directory. Give the path of a CSV or XLSX file.")
    try:
        source = file.open("rb")
    except OSError as error:
        _stop(f"cannot read {file}: {error.strerror}.")
    if not source.seekable():
        _stop(f"{file} is a pipe and must be read twice. Save it to a file first.")
    return source


def _elsewhere(rejects: Path | None, file: Path) -> Path | None:
    if rejects is not None and rejects.exists() and rejects.samefile(file):
        _stop(f"--rejects {rejects} is the file itself. Name another one.")
    return rejects


def _look(source: BinaryIO, rows: "Rows", *, plan: "Plan", out: Path | None) -> "Findings":
    """Read the whole file once; write the reject file on the way."""
    from rich.console import Console
    from rich.markup import escape

    from scheduler.cli.check.check_report import Findings
    from scheduler.ingest import write_rejects

    source.seek(0)
    origin = hashlib.file_digest(source, "sha256").hexdigest() if out else ""  # type: ignore[arg-type]
    findings = Findings(rows, plan)
    rejected = findings.rejected()
    with Console(stderr=True).status(escape(in_one_line(f"Reading {rows.filename} …"))):
        if out is None:
            for _ in rejected:
                pass
            return findings
        try:
            with out.open("w", encoding="utf-8-sig", newline="") as file:
                write_rejects(file, rows.header, rejected, origin=origin)
        except OSError as error:
            _stop(f"cannot write {out}: {error.strerror}.")
    return findings


def _print_json(report: Json) -> None:
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    typer.echo(escaped(json.dumps(report, ensure_ascii=not utf8, indent=2)))
