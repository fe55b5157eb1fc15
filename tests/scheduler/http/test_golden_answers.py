"""What programs read is what they read before: one representative answer of each kind, word for
word.

tests/fixtures/answers.json holds them. A name that goes, a null that is left out, an instant
without its Z or a number that becomes a text fails here. What differs from run to run (instants,
numbers that a counter gave, tokens, secrets) is replaced by the word for it.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient

from deploy.cli import run
from shared.db.session import transaction
from shared.ledger.holds import NewHold, hold
from tests.support import factories

GOLDEN: Final = Path(__file__).parents[2] / "fixtures" / "answers.json"
ROWS: Final = (
    "phone,first name\n"
    "+12025550101,Ana\n"
    "+12025550102,Bo\n"
    "+12025550103,Zoé\n"
    "12,Cy\n"
    "+12025550101,Ana\n"
)
LATER: Final = "2099-01-02T03:04:05Z"
#: What is given out by the clock, by chance or by a counter, and the word for it. A counter's
#: numbers depend on what else has counted, so no two runs need agree on them.
_BY_CHANCE: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"), "<instant>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "<minute>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<token>"),
    (re.compile(r"\b(key|campaign|message):\d+"), r"\1:<id>"),
    (re.compile(r"^cli(:.*)?$"), "<cli>"),
)
_NUMBERED: Final = {"id", "campaign_id", "message_id"}
_SECRET: Final = {"key", "shown"}


def steady(value: Any, name: str = "") -> Any:
    """The answer with the word for what differs from run to run in its place."""
    if isinstance(value, dict):
        return {key: steady(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [steady(one, name) for one in value]
    if name in _NUMBERED and isinstance(value, int):
        return "<id>"
    if isinstance(value, str) and value != LATER:
        if name in _SECRET:
            return f"<{name}>"
        for differs, word in _BY_CHANCE:
            value = differs.sub(word, value)
    return value


def numbered(table: str) -> list[str]:
    """The lines of a CSV whose first cell is a number of ours."""
    return [steady(re.sub(r"^\d+,", "<id>,", line)) for line in table.splitlines()]


def text_of(answers: dict[str, Any]) -> str:
    """All answers as one text in which 1 is not 1.0; the order of names says nothing in JSON."""
    return json.dumps(answers, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def answered(answer: Any) -> Any:
    """Status and document."""
    return {"status": answer.status_code, "is": steady(answer.json())}


def make_agents(api: TestClient) -> dict[str, Any]:
    """Two agents: one of a few words, one of which everything is told."""
    plain = {"id": "sales", "senders": ["+15005550006"], "sessions_per_second": 5}
    full = {
        "id": "care",
        "name": "Care",
        "timezone": "Europe/Berlin",
        "senders": [
            {"number": "+15005550007", "primary": True, "segments_per_second": 1.5},
            {"number": "+15005550008", "segments_per_day": 2000},
        ],
        "opener": {"kind": "template", "template": "Hi {first name}"},
        "sessions_per_second": 2,
        "effective_at": LATER,
        "provider_settings": {"account_sid": "AC" + "1" * 32, "auth_token": "secret"},
    }
    made = {
        "agent made": answered(api.post("/api/agents", json=plain)),
        "agent with all made": answered(api.post("/api/agents", json=full)),
        "agent refused": answered(api.post("/api/agents", json=plain)),
        "agent changed": answered(api.patch("/api/agents/care", json={"name": "Care 2"})),
    }
    keys = {row.id: row.key for row in factories.rows("SELECT id, key FROM agent")}
    with transaction() as connection:
        hold(connection, NewHold(keys["care"], "account", "", 20003, None, "Mend the account."))
        hold(connection, NewHold(keys["care"], "country", "+447700900123", 21408, 3600, "Enable."))
    return made | {
        "agents": answered(api.get("/api/agents")),
        "agents, one": answered(api.get("/api/agents?limit=1")),
        "agent": answered(api.get("/api/agents/care")),
        "no agent": answered(api.get("/api/agents/nobody")),
    }


def upload(api: TestClient, **chosen: Any) -> Any:
    """Upload the rows with these settings."""
    usual = {"name": "spring", "agent_id": "sales", "message": "Hi {first name}"}
    return api.post(
        "/api/campaigns",
        files={"file": ("guests.csv", ROWS.encode(), "text/csv")},
        data={"settings": json.dumps(usual | {"window": "always"} | chosen)},
    )


def make_campaigns(api: TestClient) -> dict[str, Any]:
    """A campaign that is moved, one that is scheduled, and a file that nobody can read."""
    made = upload(api)
    number = made.json()["id"]
    there = f"/api/campaigns/{number}"
    answers = {
        "campaign made": answered(made),
        "campaign made again": answered(upload(api)),
        "campaign to come": answered(
            upload(api, name="later", scheduled_at=LATER, priority="reminder")
        ),
        "campaign": answered(api.get(there)),
        "campaign changed": answered(api.patch(there, json={"send_before": LATER})),
        "campaign launched": answered(api.post(f"{there}/launch")),
        "campaign paused": answered(api.post(f"{there}/pause")),
        "campaign resumed": answered(api.post(f"{there}/resume")),
        "no campaign": answered(api.get("/api/campaigns/999999")),
    }
    first, second, third = (
        row.id for row in factories.rows("SELECT id FROM message ORDER BY id LIMIT 3")
    )
    happen_to_messages(first, second, third)
    decided = {"as": "failed", "reason": "asked them"}
    return answers | {
        "unknown resolved": answered(api.post(f"{there}/resolve-unknown", json=decided)),
        "failed retried": answered(api.post(f"{there}/retry-failed")),
        "campaigns": answered(api.get("/api/campaigns")),
        "campaigns, one": answered(api.get("/api/campaigns?limit=1")),
        "messages": answered(api.get(f"{there}/messages")),
        "messages, one": answered(api.get(f"{there}/messages?limit=1")),
        "message delivered": answered(api.get(f"/api/messages/{first}")),
        "message failed": answered(api.get(f"/api/messages/{second}")),
        "message resolved": answered(api.get(f"/api/messages/{third}")),
        "no message": answered(api.get("/api/messages/999999")),
        "messages.csv": numbered(api.get(f"{there}/messages.csv").text),
        "rejects.csv": steady(api.get(f"{there}/rejects.csv").text.splitlines()),
        "campaign cancelled": answered(api.post(f"{there}/cancel")),
        "events": steady(events(api.get(f"{there}/events").text)),
    }


def events(stream: str) -> list[Any]:
    """The stream's lines, its data as documents."""
    lines = [line.partition(": ") for line in stream.splitlines() if line]
    return [[name, json.loads(said) if name == "data" else said] for name, _, said in lines]


def happen_to_messages(first: int, second: int, third: int) -> None:
    """Every kind of entry that a timeline has, with everything that may be missing missing once."""
    ids = {"first": first, "second": second, "third": third}
    factories.change(
        """
        INSERT INTO attempt (message_id, part, n, token, status, sid, claimed_at, claimed_by,
                             recorded_at, outcome, http_status, error_code, error_message, sender,
                             check_at)
        VALUES (:first, 0, 1, '00000000-0000-0000-0000-000000000001', 'delivered', 'SM1',
                now() - interval '9 s', 'w:1', now() - interval '8 s', 'accepted', 201, NULL, NULL,
                '+15005550006', NULL),
               (:second, 0, 1, '00000000-0000-0000-0000-000000000002', 'failed', NULL,
                now() - interval '9 s', 'w:1', now() - interval '8 s', 'refused', 400, 21211,
                'Invalid number.', NULL, NULL),
               (:third, 0, 1, '00000000-0000-0000-0000-000000000003', 'sending', NULL,
                now() - interval '9 s', 'w:1', now() - interval '8 s', 'ambiguous', NULL, NULL,
                NULL, NULL, now() + interval '1 h')
        """,
        **ids,
    )
    factories.change(
        """
        INSERT INTO callback (received_at, provider, message_id, part, token, sid, status, rank,
                              error_code, raw, applied, account, stranger)
        SELECT now() - interval '7 s' + n * interval '1 ms', 'twilio', :first, 0,
               CASE WHEN n < 3 THEN CAST('00000000-0000-0000-0000-000000000001' AS uuid)
                    ELSE CAST('00000000-0000-0000-0000-000000000009' AS uuid) END,
               'SM1', 'delivered', 3, CASE n WHEN 1 THEN 30003 END, 'raw', n < 3,
               'twilio:AC1', n = 2
        FROM generate_series(0, 3) n
        """,
        **ids,
    )
    factories.change(
        """
        INSERT INTO event (at, message_id, kind, details)
        VALUES (now() - interval '10 s', :first, 'expired', '{"by": "claim"}'),
               (now() - interval '7 s', :third, 'ambiguous',
                '{"part": 0, "attempt": 1, "text": "time-out"}')
        """,
        **ids,
    )
    factories.change(
        "UPDATE message SET status = 'delivered', due_at = NULL, attempts = 1, "
        "sent_at = now(), delivered_at = now(), sender = '+15005550006' WHERE id = :id",
        id=first,
    )
    factories.change(
        "UPDATE message SET status = 'failed', due_at = NULL, attempts = 1, error_code = 30003 "
        "WHERE id = :id",
        id=second,
    )
    factories.change(
        "UPDATE message SET status = 'unknown', due_at = NULL WHERE id = :id", id=third
    )


def ask_the_rest(api: TestClient) -> dict[str, Any]:
    """Suppressions, keys, the audit and the switch."""
    one = {"number": "+12025550199", "reason": "asked"}
    many = [{"number": "+12025550198"}, {"number": "12"}, {"number": "+15005550006"}]
    made = api.post("/api/keys", json={"name": "booking", "role": "viewer"})
    spare = {
        "key made": answered(made),
        "key refused": answered(api.delete("/api/keys/1")),
        "suppressed": answered(api.post("/api/suppressions", json=one)),
        "suppressed before": answered(api.post("/api/suppressions", json=one)),
        "suppressed many": answered(api.post("/api/suppressions", json=many)),
        "suppressions": answered(api.get("/api/suppressions")),
        "sending": answered(api.get("/api/sending")),
        "sending stopped": answered(api.post("/api/sending/stop")),
        "sending started": answered(api.post("/api/sending/start")),
    }
    api.delete(f"/api/keys/{made.json()['id']}")
    return spare | {
        "keys": answered(api.get("/api/keys")),
        "audit": answered(api.get("/api/audit?limit=1000")),
        "healthz": answered(api.get("/healthz")),
        "invalid": answered(api.post("/api/keys", json={"name": "", "more": 1})),
        "no key": answered(api.get("/api/keys", headers={"Authorization": "Bearer no"})),
    }


def command(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints for programs."""
    run([*words, "--json"])
    printed = capsys.readouterr()
    assert printed.out, (words, printed.err)
    return steady(json.loads(printed.out))


def ask_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> dict[str, Any]:
    """The command line's documents."""
    file = tmp_path / "out.csv"
    file.write_text("phone,opted_out\n+12025550150,yes\n+12025550151,no\n12,yes\n")
    ask: Callable[..., Any] = lambda *words: command(capsys, *words)  # noqa: E731
    first, last = (str(row.id) for row in factories.rows("SELECT id FROM campaign ORDER BY id"))
    return {
        "$ campaign list": ask("campaign", "list"),
        "$ campaign show": ask("campaign", "show", first),
        "$ campaign launch": ask("campaign", "launch", last),
        "$ campaign timeline": ask("campaign", "timeline", first),
        "$ message": ask("message", str(factories.one("SELECT min(id) AS id FROM message").id)),
        "$ agent list": ask("agent", "list"),
        "$ agent set": ask("agent", "set", "sales", "--segments-per-day", "500"),
        "$ suppress add": ask("suppress", "add", "+12025550140"),
        "$ suppress import": ask("suppress", "import", str(file)),
        "$ suppress list": ask("suppress", "list"),
        "$ key create": ask("key", "create", "booking"),
        "$ key list": ask("key", "list"),
        "$ sending show": ask("sending", "show"),
    }


def all_answers(
    api: TestClient, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> dict[str, Any]:
    """Everything that is asked, by its name."""
    return (
        make_agents(api) | make_campaigns(api) | ask_the_rest(api) | ask_commands(capsys, tmp_path)
    )


def test_programs_read_the_answers_that_they_have_always_read(
    api: TestClient,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)
    capsys.readouterr()

    answers = all_answers(api, capsys, tmp_path)

    anew = tmp_path / GOLDEN.name
    anew.write_text(text_of(answers))
    golden = json.loads(GOLDEN.read_text())
    differ = {name for name in answers | golden if answers.get(name) != golden.get(name)}
    told = f"{sorted(differ)} differ; if all of it is meant: cp {anew} {GOLDEN}"
    assert text_of(answers) == text_of(golden), told
