"""The loops, the settings and Celery's configuration stand in the documents as they are."""

import ast
import re
from typing import Any

import pytest

from scheduler.timetable import TIMETABLE
from shared.queue.app import app
from shared.settings import Settings
from tests.support import sources
from tests.support.documents import DOCS, PAGES, page, section, spans, table
from tests.support.sources import name

RELIABILITY = page("deploy/docs/reliability.md")
HINT = page("deploy/docs/decisions/0003-the-queue-is-a-hint.md")
FIELDS = {field.upper(): found for field, found in Settings.model_fields.items()}
#: Of other programs, or made by the supervisor for its own children.
NOT_SETTINGS = {"VOLLEY_ENV_FILE"}


def test_the_loops_are_the_timetable_with_its_periods() -> None:
    told = {
        (row[0].strip("`"), float(row[1].removesuffix(" s")))
        for row in table(section(RELIABILITY, "The loops"))
    }

    assert told == {(timer.name, float(timer.every)) for timer in TIMETABLE}


def test_what_a_loop_mends_is_what_the_timetable_says() -> None:
    told = {
        row[0].strip("`"): row[2].replace("`", "")
        for row in table(section(RELIABILITY, "The loops"))
    }
    long_form = {"forget": "idle agents' slots in Redis, idempotent answers older than a day"}

    assert told == {timer.name: timer.why for timer in TIMETABLE} | long_form


def test_the_budgets_have_their_defaults() -> None:
    rows = table(section(RELIABILITY, "Budgets"))
    assert len(rows) == 8

    for setting, default, _ in rows:
        assert value(default.strip("`")) == value(written(setting.strip("`"))), setting


def written(setting: Any) -> Any:
    default = FIELDS[setting].default
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def value(text: Any) -> Any:
    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError:
        return text


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_setting_that_is_named_exists(path: Any) -> None:
    named = set(re.findall(r"\bVOLLEY_[A-Z][A-Z_]+[A-Z]\b", path.read_text()))

    unknown = {n.removeprefix("VOLLEY_").removesuffix("_FILE") for n in named - NOT_SETTINGS}
    assert unknown - set(FIELDS) == set()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_setting_named_without_its_prefix_exists_too(path: Any) -> None:
    bare = {
        found[1]
        for span in spans(path.read_text())
        if (found := re.fullmatch(r"([A-Z]+(?:_[A-Z]+)+)(=\S+)?", span))
    }

    others = {
        "RLIMIT_AS",
        "RLIMIT_CPU",
        "RLIMIT_DATA",
        "PROMETHEUS_MULTIPROC_DIR",
        "PR_SET_PDEATHSIG",
        "MESSAGE_ID",
    }
    assert bare - others - set(FIELDS) - {f"VOLLEY_{field}" for field in FIELDS} == set()


def test_celery_is_set_as_the_decision_says_one_by_one() -> None:
    rows = table(HINT.partition("one by one:")[2])
    told = [claim for row in rows for claim in re.findall(r"`[^`]+`", row[0])]
    conf = dict(app.conf) | app.conf.broker_transport_options
    claims = dict(claim.strip("`").partition(": ")[::2] for claim in told if ": " in claim)
    # a row that names several and then their value once
    for row in rows:
        if shared := re.fullmatch(r"(`\w+`(?:, `\w+`)+): `(\w+)`", row[0]):
            claims |= dict.fromkeys(re.findall(r"\w+", shared[1]), shared[2])
    claims |= {"worker_send_task_events": "True", "task_send_sent_event": "False"}

    assert len(claims) >= 20
    wrong = {key: conf[key] for key, said in claims.items() if not same(conf[key], said)}
    assert wrong == {}


def same(found: Any, said: Any) -> Any:
    if found == [said]:
        return True
    try:
        return bool(found == ast.literal_eval(said))
    except (ValueError, SyntaxError):
        return bool(found == said)


def test_every_setting_of_celery_is_explained() -> None:
    source = ast.parse((sources.ROOT / "shared/queue/app.py").read_text())
    (given,) = [
        node.value
        for node in source.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_SETTINGS"
    ]
    options = {key.value for key in given.keys}  # type: ignore[union-attr]
    (transport,) = [
        v
        for k, v in zip(given.keys, given.values, strict=True)  # type: ignore[union-attr]
        if k.value == "broker_transport_options"
    ]
    options |= {key.value for key in transport.keys}
    # Explained where they are set.
    options -= {"max_retries", "interval_start", "interval_step", "interval_max"}

    explained = set(
        re.findall(r"\w+", " ".join(row[0] for row in table(HINT.partition("one by one:")[2])))
    )
    assert options - explained == set()


def test_the_documents_are_where_these_tests_look() -> None:
    assert len(list(DOCS.glob("decisions/*.md"))) >= 15
