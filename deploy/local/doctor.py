"""`volley doctor`: what is set up, what is not, and what to do about each."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deploy.local.checks.account import account, public_url
from deploy.local.checks.finding import Finding, Verdict, fail, ok, warn
from deploy.local.checks.leftovers import left_over
from deploy.local.checks.progress import progress, schedulers, stack_line
from deploy.local.checks.servers import database, store
from deploy.local.running import current
from shared.settings import Settings

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
    """Every check, in the order a person would mend them."""
    findings = [_python()]
    try:
        chosen = Settings()
    except ValidationError as error:
        return findings + [_setting(line) for line in error.errors()]
    except ValueError as error:
        return [*findings, fail("settings", str(error), fix="correct it, or remove it")]
    return findings + list(_with_settings(chosen))


def _with_settings(chosen: Settings) -> Iterator[Finding]:
    yield ok("settings", "readable, and they agree")
    yield _data_dir(chosen)
    yield _secret_key(chosen)
    stack = current(chosen.data_dir)
    yield from database(chosen, stack)
    yield from store(chosen, stack)
    yield stack_line(stack)
    for found in (schedulers(chosen, stack), progress(chosen, stack)):
        if found is not None:
            yield found
    yield from account(chosen)
    yield public_url(chosen)
    yield from left_over(chosen)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if OLDEST_PYTHON <= sys.version_info[:2] < TOO_NEW_PYTHON:
        return ok("python", version)
    return fail("python", f"{version} is not supported", fix="use Python 3.11 to 3.14")


def _setting(error: ErrorDetails) -> Finding:
    """One line for one error; the value itself is not shown, it may be a secret."""
    names = [f"VOLLEY_{str(step).upper()}" for step in error["loc"][:1]]
    message = error["msg"].removeprefix("Value error, ")
    return fail("settings", ": ".join([*names, message]), fix="correct it, or remove it")


def _data_dir(chosen: Settings) -> Finding:
    """Nothing is made here: looking must not change what is looked at."""
    path = chosen.data_dir.absolute()
    if not path.exists():
        parent = next(above for above in path.parents if above.exists())
        if os.access(parent, os.W_OK):
            return ok("data dir", f"{path}, made at the first start")
        return fail("data dir", f"{path} cannot be made", fix="set VOLLEY_DATA_DIR")
    if not path.is_dir():
        return fail("data dir", f"{path} is no directory", fix="set VOLLEY_DATA_DIR to one")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return fail(
            "data dir",
            f"{path} is not ours to write",
            fix="run as its owner, or set VOLLEY_DATA_DIR",
        )
    if path.stat().st_mode & 0o077:
        return warn("data dir", f"{path} is open to others", fix=f"chmod 700 {path}")
    return ok("data dir", str(path))


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
