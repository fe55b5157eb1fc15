"""The doctor: it names what is wrong and says what to do."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis

from deploy.local.data_dirs import leftovers
from deploy.local.doctor import examination as doctor_module
from deploy.local.doctor import stores
from deploy.local.doctor.examination import doctor, examine
from deploy.local.doctor.finding import Finding, Verdict
from tests.support.embedded import running_valkey

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def only_these_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .env file, a data directory that is not there yet, and nothing left of other stacks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(leftovers, "data_directories", list)
    monkeypatch.setenv("VOLLEY_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """An account's page: what it answers can be changed."""
    page: dict[str, object] = {"code": 200, "status": "active"}

    class Account(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page["path"], page["authorization"] = self.path, self.headers["Authorization"]
            self.send_response(int(str(page["code"])))
            self.end_headers()
            self.wfile.write(json.dumps({"status": page["status"]}).encode())

        def log_message(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VOLLEY_TWILIO_API_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VOLLEY_TWILIO_ACCOUNT_SID", "AC1")
        monkeypatch.setenv("VOLLEY_TWILIO_AUTH_TOKEN", "token")
        yield page
        server.shutdown()


def test_a_machine_with_nothing_set_is_well_and_simulated(tmp_path: Path) -> None:
    findings = examine()

    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert "SIMULATED" in of("account", findings)[0].says
    assert not (tmp_path / "data").exists()  # looking makes nothing


def test_each_unusable_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLLEY_FENCE", "-1")
    monkeypatch.setenv("VOLLEY_ON_UNKNOWN", "guess")

    lines = of("settings", examine())

    assert [line.says.split(":")[0] for line in lines] == ["VOLLEY_FENCE", "VOLLEY_ON_UNKNOWN"]
    assert all(line.verdict is Verdict.FAIL and line.fix for line in lines)


def test_settings_that_disagree_say_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLLEY_RECONCILE_AFTER", "5")

    (line,) = of("settings", examine())

    assert line.says.startswith("VOLLEY_RECONCILE_AFTER (5 s) must be more than")


def test_an_external_database_needs_a_secret_key_and_must_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOLLEY_DATABASE_URL", f"postgresql://u:hidden@{NOWHERE}/d")

    findings = examine()

    assert of("secret key", findings)[0].verdict is Verdict.FAIL
    assert of("database", findings)[0].verdict is Verdict.FAIL
    assert "hidden" not in of("database", findings)[0].says


def test_a_broker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLLEY_REDIS_URL", f"redis://{NOWHERE}/0")
    monkeypatch.setenv("VOLLEY_BROKER_URL", f"amqp://guest:guest@{NOWHERE}//")

    findings = examine()

    assert "VOLLEY_REDIS_URL" in of("store", findings)[0].fix
    assert "VOLLEY_BROKER_URL" in of("broker", findings)[0].fix


@pytest.mark.stack
def test_a_store_that_may_evict_or_forget_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_valkey() as url, redis.Redis.from_url(url) as client:
        monkeypatch.setenv("VOLLEY_REDIS_URL", url)

        assert {line.verdict for line in of("store", examine())} == {Verdict.OK}
        client.config_set("appendonly", "no")
        assert Verdict.WARN in {line.verdict for line in of("store", examine())}
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert Verdict.FAIL in {line.verdict for line in of("store", examine())}


@pytest.mark.stack
def test_a_clock_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = stores.clock.unix  # type: ignore[attr-defined]
    with running_valkey() as url:
        monkeypatch.setenv("VOLLEY_REDIS_URL", url)
        assert of("clock", examine())[0].verdict is Verdict.OK

        monkeypatch.setattr(stores.clock, "unix", lambda: real() + 90)  # type: ignore[attr-defined]

        assert "90.0 s ahead" in of("clock", examine())[0].says


def test_credentials_that_open_the_account_are_well(twilio: dict[str, object]) -> None:
    assert of("account", examine())[0].verdict is Verdict.OK
    assert twilio["path"] == "/2010-04-01/Accounts/AC1.json"
    assert str(twilio["authorization"]).startswith("Basic ")


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        (401, "active", "refused"),
        (200, "suspended", "suspended"),
        (503, "active", "503"),
    ],
)
def test_an_account_that_cannot_send_is_found_out(
    twilio: dict[str, object], code: int, status: str, says: str
) -> None:
    twilio.update(code=code, status=status)

    (line,) = of("account", examine())

    assert line.verdict is not Verdict.OK
    assert says in line.says


def test_credentials_that_are_not_whole_are_not_even_tried(
    twilio: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOLLEY_TWILIO_AUTH_TOKEN")
    monkeypatch.setenv("VOLLEY_TWILIO_API_KEY", "SK1")

    fixes = " ".join(line.fix for line in of("account", examine()))

    assert "VOLLEY_TWILIO_AUTH_TOKEN" in fixes
    assert "VOLLEY_TWILIO_API_SECRET" in fixes
    assert "path" not in twilio


def test_the_real_twilio_cannot_call_back_to_loopback(
    twilio: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of("public url", examine())[0].verdict is Verdict.OK  # the API is on loopback too

    monkeypatch.setenv("VOLLEY_TWILIO_API_URL", "http://twilio.invalid")

    assert of("public url", examine())[0].fix.startswith("set VOLLEY_PUBLIC_URL")


def test_a_data_directory_open_to_others_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)

    (line,) = of("data dir", examine())

    assert line.verdict is Verdict.WARN
    assert line.fix.startswith("chmod 700")


def test_a_failure_is_an_exit_status_and_json_is_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(as_json=True) == 0
    well = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(doctor_module, "TOO_NEW_PYTHON", (3, 0))

    assert doctor() == 1

    assert {"check", "verdict", "says", "fix"} == set(well[0])
    assert capsys.readouterr().out.startswith("fail  python")


def of(check: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]
