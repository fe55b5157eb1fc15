"""The numbers that the documents tell are the numbers of the code, each made from its constant."""

import inspect
import re
from datetime import timedelta

import pytest

from deploy.local import roles
from deploy.local.system import logs
from scheduler.campaigns.create import INLINE_LINES
from scheduler.dispatch import admission, dispatcher, leases
from scheduler.http import idempotency_store
from scheduler.http.callbacks import group_commit
from scheduler.ingest import uploads
from scheduler.ingest.load import importer
from scheduler.repair import reconcile, sweeps
from scheduler.timetable import TIMETABLE
from shared.db import session
from shared.domain.segments import LONGEST_PART
from shared.domain.wording import MOST_PARTS
from shared.ledger import campaigns, record
from shared.ledger.retries import BLOCK
from shared.ledger.shards import _SPREAD, SHARDS
from shared.providers.transport.pool import Wire
from shared.providers.twilio import adapter
from shared.providers.twilio.callbacks import RETRIES
from shared.settings import Settings
from shared.throttle.redis_clock import MOST_DOUBT
from tests.support.documents import page
from worker.send import circuit_breaker, engine, outcomes, pace, recorder, routes

USING = "deploy/docs/using.md"
ARCHITECTURE = "deploy/docs/architecture.md"
RELIABILITY = "deploy/docs/reliability.md"
RUNBOOK = "deploy/docs/runbook.md"
GLOSSARY = "deploy/docs/glossary.md"


def decision(number: str, name: str) -> str:
    return f"deploy/docs/decisions/{number}-{name}.md"


SLOTS = decision("0004", "slots-hold-and-late-rule")
UNKNOWN = decision("0005", "unknown-is-not-failed")
LOOP = decision("0006", "one-event-loop-a-worker")
TRANSPORT = decision("0009", "our-own-transport")
IDS = decision("0011", "ids-in-blocks")
UPLOADS = decision("0012", "uploads-in-postgres-chunks")
LEASES = decision("0013", "schedulers-share-agents-by-leases")
LIMITS = decision("0014", "senders-limits-two-clocks")
PRESSURE = decision("0015", "no-more-slots-than-are-met")

WORDS = {2: "two", 3: "three", 5: "five", 10: "ten"}
CONNECTIONS = inspect.signature(Wire).parameters["max_connections"].default
TRIES = inspect.signature(session.retried).parameters["tries"].default
PERIODS = {timer.name: timer.every for timer in TIMETABLE}
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
EARLIEST, LONGEST = engine.CLAIM_LEAD[0], engine.CLAIM_LEAD[1] + engine.CLAIM_EVERY


def ms(seconds: float) -> str:
    return f"{seconds * 1000:g}"


def percent(share: float) -> str:
    return f"{share * 100:g} %"


def seconds(length: timedelta) -> str:
    return f"{length.total_seconds():g} s"


LEAD = f"{ms(EARLIEST)} to {ms(LONGEST)} ms"
LATE = f"{ms(pace.LATE)} ms late"
FIRST, SECOND, THIRD = (admission.STEP * admission.FASTER**n for n in range(3))

CLAIMS = [
    (USING, f"unless they know it to within {ms(MOST_DOUBT)} ms"),
    (USING, f"refuses half of its last {circuit_breaker.WINDOW} calls"),
    (USING, f"jitters by more than {round((DEFAULTS['pace_margin'] - pace.LATE) * 1000)} ms"),
    (ARCHITECTURE, f"into {SHARDS} shards"),
    (ARCHITECTURE, f"leased to one scheduler for {leases.LENGTH:g} s at a time"),
    (ARCHITECTURE, f"replaced within about {leases.LENGTH + leases.REFRESH:g} s"),
    (ARCHITECTURE, f"What arrives within {ms(group_commit.GROUP)} ms is one COPY"),
    (ARCHITECTURE, f"does not store within {group_commit.STORE_WITHIN:g} s"),
    (ARCHITECTURE, f"up to {INLINE_LINES:,} lines"),
    (ARCHITECTURE, f"the sweep looks every {PERIODS['imports']:g} s"),
    (ARCHITECTURE, f"loop each {importer.CHUNK:,} rows"),
    (ARCHITECTURE, f"holds a lease of {seconds(importer.LEASE)}"),
    (ARCHITECTURE, f"loop every {ms(dispatcher.TICK)} ms"),
    (ARCHITECTURE, f"due_at of the chosen rows + {DEFAULTS['release_stale_after']:g} s"),
    (ARCHITECTURE, f"until {LEAD} before the slot"),
    (ARCHITECTURE, f"claim younger than {pace.HOLD:g} s? less than {LATE}?"),
    (ARCHITECTURE, f"split_at ({LONGEST_PART:,} characters)"),
    (ARCHITECTURE, f"several parts, at most {WORDS[MOST_PARTS]}"),
    (ARCHITECTURE, f"longest validity period ({adapter.MOST_VALIDITY / 3600:g} hours) and a day"),
    (ARCHITECTURE, f"(1 + {percent(DEFAULTS['pace_margin'])}) / rate"),
    (ARCHITECTURE, f"if it is more than {LATE}"),
    (RELIABILITY, f"none later than {pace.HOLD:g} s after its claim"),
    (RELIABILITY, f"The {percent(DEFAULTS['pace_margin'])} margin"),
    (
        RELIABILITY,
        f"Postgres ends that transaction after {session.FROZEN_AFTER.replace('s', ' s')}",
    ),
    (RELIABILITY, f"when the lease of {seconds(importer.LEASE)} has run out"),
    (RELIABILITY, f"one is run again, up to {WORDS[TRIES]} times"),
    (RELIABILITY, f"last {circuit_breaker.WINDOW} calls, at least {circuit_breaker.LEAST}"),
    (RELIABILITY, f"The worker itself gives up earlier, at {pace.HOLD:g} s"),
    (RELIABILITY, f"After {WORDS[record.MOST_ATTEMPTS]} such calls"),
    (RELIABILITY, f"a message is claimed {LEAD} before its slot; not written more than {LATE}"),
    (RELIABILITY, f"or more than {pace.HOLD:g} s after its claim"),
    (RELIABILITY, f"reserved at most {dispatcher.AHEAD:g} s ahead"),
    (RELIABILITY, f"tried again after {DEFAULTS['reconcile_checks'][-1] / 60:g} minutes"),
    (RELIABILITY, f"else after {DEFAULTS['reconcile_after']:g} s by the list"),
    (RUNBOOK, f"below for more than {leases.LENGTH + leases.REFRESH:g} s"),
    (RUNBOOK, f"takes over within {importer.LEASE.total_seconds() + PERIODS['imports']:g} s"),
    (RUNBOOK, f"(a round trip over {ms(2 * MOST_DOUBT)} ms)"),
    (RUNBOOK, f"must know its clock to {ms(MOST_DOUBT)} ms"),
    (RUNBOOK, f"country or sender ({outcomes._HELD_AFTER / 60:g} minutes)"),
    (RUNBOOK, f"1 / {1 + DEFAULTS['pace_margin']:g} of its rate"),
    (RUNBOOK, f"connections: {CONNECTIONS} for each account and process"),
    (RUNBOOK, "30 s, 2 minutes and 15 minutes after the claim"),
    (RUNBOOK, f"{WORDS[int(RETRIES[4])]} times within 15 s"),
    (RUNBOOK, f"{2 * logs.LARGEST_BYTES // 1024**2} MB for each program"),
    (RUNBOOK, f"half of a campaign's last {circuit_breaker.WINDOW} calls"),
    (RUNBOOK, f"with up to {roles.PATIENT_STOP_SECONDS:g} s for calls in flight"),
    (RUNBOOK, f"Senders use it within {routes.FRESH_FOR:g} s"),
    (RUNBOOK, f"callbacks count for {WORDS[sweeps.FORMER_ACCOUNTS_FOR.days]} days more"),
    (GLOSSARY, f"One of the {SHARDS} parts"),
    (GLOSSARY, f"key % {SHARDS}"),
    (GLOSSARY, f"for a shard, for {leases.LENGTH:g} s"),
    (SLOTS, f"period (1 + {percent(DEFAULTS['pace_margin'])}) / rate"),
    (SLOTS, f"claims {ms(EARLIEST)} to {ms(engine.CLAIM_LEAD[1])} ms before the slot"),
    (SLOTS, f"every {ms(engine.CLAIM_EVERY)} ms, so up to {ms(LONGEST)} ms"),
    (SLOTS, f"looks every {ms(engine.GRID[0])} ms"),
    (SLOTS, f"More than {ms(pace.LATE)} ms after the slot"),
    (SLOTS, f"While it is not known to {ms(MOST_DOUBT)} ms, nothing is sent"),
    (SLOTS, f"must stay under {ms(2 * MOST_DOUBT)} ms"),
    (UNKNOWN, f"{reconcile.AT_ONCE} at once for each account"),
    (LOOP, f"groups what arrives within {ms(group_commit.GROUP)} ms into one COPY"),
    (LOOP, f"lead grow, to {ms(engine.CLAIM_LEAD[1])} ms at most"),
    (TRANSPORT, f"{CONNECTIONS} at the most for each account and process"),
    (IDS, f"blocks of {BLOCK:,}"),
    (UPLOADS, f"a lease of {seconds(importer.LEASE)}"),
    (UPLOADS, f"chunk of {importer.CHUNK:,} rows"),
    (UPLOADS, f"up to {INLINE_LINES:,} lines"),
    (LEASES, f"into {SHARDS} shards (key % {SHARDS})"),
    (LEASES, f"Leases last {leases.LENGTH:g} s"),
    (LEASES, f"steps of {_SPREAD.split()[2]}"),
    (LEASES, f"hung for {leases.HANGS:g} s"),
    (LIMITS, f"({dispatcher.REFRESH:g} s)"),
    (PRESSURE, f"begins at {admission.BEGIN:,.0f} starts a second"),
    (PRESSURE, f"while fewer than {percent(admission.FEW)} are missed"),
    (PRESSURE, f"More than {percent(admission.MANY)} in two windows running"),
    (PRESSURE, f"or {percent(admission.FAR_TOO_MANY)} in one"),
    (PRESSURE, f"by {percent(FIRST)}, {percent(SECOND)}, {percent(THIRD)} …"),
    (PRESSURE, f"all late ones ask together, every {ms(engine.AGAIN_EVERY)} ms"),
]


def words(name: str) -> str:
    """All of a page on one line, its pictures too, without emphasis, links and code marks."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", page(name))
    return " ".join(re.sub(r"[*`]", "", text).split())


@pytest.mark.parametrize(("name", "claim"), CLAIMS, ids=[claim for _, claim in CLAIMS])
def test_a_number_is_the_codes(name: str, claim: str) -> None:
    assert claim in words(name)


WORDED = [
    (USING, "nothing later than half a second after its claim", pace.HOLD == 0.5),
    (USING, "half of its last 200 calls", DEFAULTS["pause_on_failures"] == 0.5),
    (ARCHITECTURE, "the file's bytes, a mebibyte at a time", uploads._PIECE == 1 << 20),
    (UPLOADS, "a mebibyte a row", uploads._PIECE == 1 << 20),
    (UNKNOWN, "the claim less a minute", reconcile.BEFORE_CLAIM.total_seconds() == 60),
    (RELIABILITY, "the claim less a minute", reconcile.BEFORE_CLAIM.total_seconds() == 60),
    (RELIABILITY, "answers older than a day", idempotency_store.KEPT.total_seconds() == 86400),
    (RELIABILITY, "a pause waits at most 1 s", "'1s'" in str(campaigns._BRIEFLY)),
    (SLOTS, "a third of a second ahead", 0.3 < dispatcher.AHEAD < 0.34),
    (SLOTS, "at the start and every minute", dispatcher.CLOCK_EVERY == 60),
    (LIMITS, "a quarter of a second", dispatcher.REFRESH == 0.25),
    (
        "deploy/docs/scale.md",
        "records travel 40 ms together",
        recorder.GATHER == engine.CLAIM_EVERY == 0.04,
    ),
    (PRESSURE, "judges over half a second", admission.WINDOW == 0.5),
    (PRESSURE, "ten times a second", pace._TELL_EVERY == 0.1),
    (PRESSURE, "never grows beyond twice what is used of it", admission.UNUSED == 2),
    (PRESSURE, "by half at the most", admission.HALF == 0.5),
    (RUNBOOK, "15 minutes after the claim", DEFAULTS["reconcile_checks"] == (30, 120, 900)),
]


@pytest.mark.parametrize(("name", "claim", "holds"), WORDED, ids=[row[1] for row in WORDED])
def test_a_number_that_is_written_in_words_is_the_codes(name: str, claim: str, holds: bool) -> None:
    assert claim in words(name)
    assert holds
