"""Routes, error codes, metrics, log events and SQL of the documents are the program's own."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase
from sqlalchemy import text as sql

from deploy.simulators.twilio.admin import ENDPOINTS
from scheduler.http import docs, health
from scheduler.http.api import (
    agents,
    campaigns,
    keys,
    messages,
    progress,
    sending,
    suppressions,
    uploads,
)
from scheduler.http.errors import STATUS
from scheduler.ingest.read.columns import ORIGIN_COLUMN, OWN_COLUMNS
from shared import metrics
from shared.db.models import Base
from shared.db.session import transaction
from shared.providers.twilio.codes import CODES
from tests.support import sources
from tests.support.documents import PAGES, blocks, page, prose, shell, spans
from tests.support.sources import name

ROUTERS = (
    agents,
    campaigns,
    docs,
    health,
    keys,
    messages,
    progress,
    sending,
    suppressions,
    uploads,
)
RUNBOOK = page("deploy/docs/runbook.md")


def routes() -> set[tuple[str, str]]:
    """Method and path of every route, a parameter as {}."""
    ours = {
        (method, re.sub(r"\{\w+\}", "{}", route.path))
        for module in ROUTERS
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods  # type: ignore[union-attr]
    }
    # Twilio's callbacks do not pass the framework; FastAPI makes the schema by itself.
    return ours | {("POST", "/webhooks/twilio/status"), ("GET", "/openapi.json")}


def asked(path: Path) -> Iterator[tuple[str, str]]:
    """What a page's `curl` commands ask for: method and path."""
    text = path.read_text()
    base = ""
    for line in [*shell(text), *spans(text)]:
        if found := re.match(r"API=http://[^/\s]+(\S*)", line):
            base = found[1]
        if line.startswith("curl"):
            words = shlex.split(line.partition(" | ")[0].partition("#")[0])
            address = next(w for w in words if w.startswith(("$API", "https://sms")))
            address = re.sub(r"https://[^/]+", "", address.replace("$API", base)).partition("?")[0]
            posts = {"--json", "-F"} & set(words)
            method = words[words.index("-X") + 1] if "-X" in words else "POST" if posts else "GET"
            yield method, re.sub(r"/(\d+|ID)(?=/|$)", "/{}", address)


def named(path: Path) -> Iterator[tuple[str, str]]:
    """Routes between backquotes, with their method where it is told."""
    for span in spans(path.read_text()):
        if found := re.fullmatch(r"(?:(GET|POST|PATCH|DELETE) )?(/[\w/{}.-]*)", span):
            yield found[1] or "", found[2]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_route_that_is_asked_or_named_exists(path: Path) -> None:
    there = routes() | {tuple(endpoint.split(" ")) for endpoint in ENDPOINTS}
    places = {place for _, place in there}

    found = list(asked(path))
    assert [route for route in found if route not in there] == []
    for method, place in named(path):
        if place.startswith("/var/") or path.name == "flower.md":  # Flower's routes, asked there
            continue
        known = (method, place) in there if method else any(p.startswith(place) for p in places)
        assert known, (method, place)


def test_the_pages_with_requests_are_read() -> None:
    found = {name(path): len(list(asked(path))) for path in PAGES}

    assert found["deploy/docs/using.md"] >= 6
    assert found["deploy/docs/runbook.md"] >= 6


@cache
def refusals() -> dict[str, set[int]]:
    """Every error code that is raised, and its HTTP statuses."""
    found: dict[str, set[int]] = {}
    for path in sources.modules():
        for node in ast.walk(sources.tree(path)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            kind, code = getattr(node.func, "id", ""), node.args[0]
            if kind not in {"Refused", "Misconfigured"} or not isinstance(code, ast.Constant):
                continue
            status = 503 if kind == "Misconfigured" else STATUS.get(str(code.value), 422)
            found.setdefault(str(code.value), set()).add(status)
    found["agent_not_found"].add(422)  # where a body names it, and no address
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_error_code_that_is_named_is_answered_with_that_status(path: Path) -> None:
    text = " ".join(path.read_text().split())
    told = re.findall(r"\b(4\d\d|503) `([a-z]\w+)`", text)

    there = refusals()
    assert [(s, code) for s, code in told if int(s) not in there.get(code, ())] == []


def test_error_codes_are_named_at_all() -> None:
    assert len(re.findall(r"\b4\d\d `[a-z]\w+`", page("deploy/docs/using.md"))) >= 3


def test_the_reasons_of_rejected_rows_are_those_of_the_code() -> None:
    shown = "\n".join(
        block.text for block in blocks(page("README.md") + page("deploy/docs/using.md"), "text")
    )
    told = set(re.findall(r"^ +\d+ +([a-z]+_[a-z_]+|duplicate)\b", shown, re.MULTILINE))
    code = "\n".join(
        p.read_text() for p in sources.modules() if "ingest" in name(p) or "domain" in name(p)
    )

    assert len(told) >= 9
    assert [reason for reason in told if f'"{reason}"' not in code] == []


def gauges_and_counters() -> dict[str, set[str]]:
    """Names as Prometheus sees them, and their labels."""
    ours = [m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)]
    found = {m._name + ("_total" if m._type == "counter" else ""): set(m._labelnames) for m in ours}
    return found | {gauge: {"status"} for gauge in health._GAUGES}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_metric_that_is_named_exists(path: Path) -> None:
    there = gauges_and_counters()

    for metric, label in re.findall(r"\b(volley_[a-z_]+)(?:\{(\w+)=)?", path.read_text()):
        if metric in (*OWN_COLUMNS, ORIGIN_COLUMN):  # of a reject file
            continue
        full = [n for n in there if n == metric or n.startswith(f"{metric}_")]
        assert full, metric
        assert not label or label in there[full[0]], (metric, label)


def test_the_metrics_that_are_looked_for_first_are_there() -> None:
    (command,) = [line for line in shell(RUNBOOK) if "grep -E '^volley_" in line]
    pieces = re.findall(r"\(([\w|]+)\)", command)[0].split("|")

    there = gauges_and_counters()
    assert [p for p in pieces if not any(n.startswith(f"volley_{p}") for n in there)] == []


def test_every_log_event_that_is_named_is_logged() -> None:
    logged = {
        found
        for path in sources.modules()
        # where it is logged, or where an outage is told how to call itself
        for found in re.findall(
            r'(?:\blog\.\w+\(\s*|\b(?:away|back)=)"([a-z_.]+)"', path.read_text()
        )
    }
    columns = {str(c) for table in Base.metadata.tables.values() for c in table.columns}
    told = set(re.findall(r"\b[a-z]+\.[a-z_]+\b", " ".join(spans(RUNBOOK))))
    grepped = {
        event
        for span in spans(RUNBOOK)
        if span.startswith("grep")
        for event in re.findall(r"'([\w.|]+)'", span)[0].split("|")
    }

    events = {
        e for e in told if e.partition(".")[0] in {found.partition(".")[0] for found in logged}
    }
    assert len(events) >= 8
    assert events - logged - columns == set()
    assert [e for e in grepped if not any(e in found for found in logged)] == []


def statements(text: str) -> list[str]:
    """The SQL of a page: its sql blocks, what `psql -c` is given, and SELECTs in the prose."""
    given = [s for block in blocks(text, "sql") for s in block.text.split(";") if s.strip()]
    for command in shell(text):
        given += re.findall(r'psql[^\n]*? -c "((?:[^"])*)"', command, re.DOTALL)
    given += [span for span in spans(text) if re.match(r"(SELECT|UPDATE|DELETE) ", span)]
    return [re.sub(r"\b(ID|PID)\b", "1", statement) for statement in given]


def test_the_sql_of_the_runbook_is_understood_by_the_database(database: str) -> None:
    found = statements(RUNBOOK)

    assert len(found) >= 9
    for statement in found:
        with transaction() as connection:
            connection.execute(sql(f"EXPLAIN {statement}".replace(":", r"\:")))


def test_sql_about_what_is_not_there_would_be_seen(database: str) -> None:
    with pytest.raises(Exception, match="does not exist"), transaction() as connection:
        connection.execute(sql("EXPLAIN SELECT shade FROM message"))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_code_of_twilio_that_is_named_is_in_the_table(path: Path) -> None:
    told = {
        int(code)
        for code in re.findall(r"\b(?:2[01]\d{3}|30\d{3}|63\d{3})\b", prose(path.read_text()))
    }

    assert told - set(CODES) == set()
