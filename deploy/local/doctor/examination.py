"""`volley doctor`: what is set up, what is not, and what to do about each."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from deploy.local.doctor.account import account, public_url
from deploy.local.doctor.disk_room import data_dir
from deploy.local.doctor.finding import Finding, Verdict, fail, ok, warn
from deploy.local.doctor.leftovers import left_over
from deploy.local.doctor.listening import listening
from deploy.local.doctor.progress import progress, schedulers, stack_line
from deploy.local.doctor.region import region
from deploy.local.doctor.servers import servers
from deploy.local.running import current
from shared.settings import Settings, UnusableSettings, load, strange_names

#: Checks after which nothing more is asked of the database: it would only take long.
OF_DATABASE = {"database", "schema", "rights"}
OLDEST_PYTHON, TOO_NEW_PYTHON = (3, 11), (3, 15)


def doctor(*, as_json: bool = False) -> int:
    """Check everything and print it, a line each or one JSON document. 1 if anything failed."""
    findings = examine()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            fix = f" -> {finding.fix}" if finding.fix else ""
            print(f"{finding.verdict:<4}  {finding.check:<10}  {finding.says}{fix}")
    return int(any(finding.verdict is Verdict.FAIL for finding in findings))


def examine() -> list[Finding]:
    """Every check, in the order in which a person would fix the problems."""
    findings = [_python()]
    try:
        chosen = load()
    except UnusableSettings as unusable:
        return findings + [
            fail("settings", f"{fault.setting}: {fault.says}".removeprefix(": "), fix=fault.fix)
            for fault in unusable.faults
        ]
    return findings + list(_with_settings(chosen))


def _with_settings(chosen: Settings) -> Iterator[Finding]:
    yield ok("settings", "readable, and they agree")
    yield from _unknown_names()
    yield region(chosen)
    yield data_dir(chosen)
    yield _secret_key(chosen)
    stack = current(chosen.data_dir)
    yield from listening(chosen, stack)
    found = list(servers(chosen, stack))
    yield from found
    yield stack_line(stack)
    if not any(one.check in OF_DATABASE and one.verdict is Verdict.FAIL for one in found):
        yield from filter(None, (schedulers(chosen, stack), progress(chosen, stack)))
    yield from account(chosen)
    yield public_url(chosen)
    yield from left_over(chosen)


def _unknown_names() -> Iterator[Finding]:
    """Warnings for unknown names: another version's, or another program's."""
    for name in strange_names():
        yield warn("settings", f"{name} is no setting of Volley", fix="remove it, or rename it")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if OLDEST_PYTHON <= sys.version_info[:2] < TOO_NEW_PYTHON:
        return ok("python", version)
    return fail("python", f"{version} is not supported", fix="use Python 3.11 to 3.14")


def _secret_key(chosen: Settings) -> Finding:
    if chosen.secret_key is not None:
        return ok("secret key", "set")
    if chosen.database_url is None:
        return ok("secret key", "kept in the data dir")
    return fail(
        "secret key",
        "missing, and every machine on an external database needs the same one",
        fix="set VOLLEY_SECRET_KEY",
    )
