"""Whatever a person sets wrongly is one line that names the setting and says what to do.

A table of wrong settings: each is given to `volley up`, to `volley doctor` and to other commands.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from deploy.cli import run
from deploy.local import stack
from deploy.local.data_dirs import leftovers
from tests.conftest import _TEMPLATE
from tests.support.embedded import Servers
from tests.support.environment import environment
from tests.support.wrong_settings import KEY, PASSWORD, World, world

pytestmark = pytest.mark.stack

SETTINGS, SERVERS = 2, 1


class Wrong(NamedTuple):
    """Settings, with {names} of the world in them; what the line must say; how `up` ends."""

    given: dict[str, str]
    says: tuple[str, ...]
    code: int = SERVERS


def setting(name: str, value: str, *says: str) -> Wrong:
    """A setting that is wrong whatever the servers do."""
    return Wrong({name: value}, (f"VOLLEY_{name.upper()}", *says), SETTINGS)


def database(url: str, *says: str) -> Wrong:
    """A database that cannot be used as it is."""
    return Wrong({"database_url": url, "secret_key": KEY}, says)


P = PASSWORD
TABLE = {
    # addresses of a database
    "another database's address": setting("database_url", f"mysql://u:{P}@h/d", "mysql://"),
    "the dialect of another driver": setting("database_url", f"postgresql+asyncpg://u:{P}@h/d"),
    "a database's address without //": setting("database_url", f"postgresql:u:{P}@h/d", "write"),
    "no address of a database at all": setting("database_url", PASSWORD, "write postgresql://"),
    "a word and a port": setting("database_url", "localhost:5432", "write postgresql://"),
    "a database's port that is a word": setting("database_url", f"postgres://u:{P}@h:x/d", "port"),
    "a database's port too large": setting("database_url", f"postgresql://u:{P}@h:65536/d", "port"),
    "a database's port below 0": setting("database_url", f"postgresql://u:{P}@h:-1/d", "port"),
    "a database's port 0": setting("database_url", f"postgresql://u:{P}@h:0/d", "port"),
    "two ports": setting("database_url", f"postgresql://u:{P}@h:1:2/d", "port"),
    "a slash in a password": setting("database_url", f"postgresql://u:{P}/x@h/d", "%2F"),
    "a question mark in it": setting("database_url", f"postgresql://u:{P}?x@h/d", "%3F"),
    "digits and a question mark": setting("database_url", f"postgresql://u:12?{P}@h/d", "%3F"),
    "a hash in it": setting("database_url", f"postgresql://u:{P}#x@h/d", "%23"),
    "digits and a hash": setting("database_url", f"postgresql://u:12#{P}@h/d", "%23"),
    "an at sign in it": setting("database_url", f"postgresql://u:{P}@x@h/d", "%40"),
    "a percent sign in it": setting("database_url", f"postgresql://u:{P}%zz@h/d", "%25"),
    "half an IPv6 address": setting("database_url", f"postgresql://u:{P}@[::1/d", "host"),
    "a blank in an address": setting("database_url", f"postgresql://u:{P} @h/d", "blank"),
    "an end of line in an address": setting("database_url", f"postgresql://u:{P}@h/d\nx", "invis"),
    "an address that names nothing": setting("database_url", "postgresql://", "host"),
    "options that are none": setting("database_url", f"postgresql://u@h/d?{P}", "name=value"),
    # addresses of a store and a broker
    "another store's address": setting("redis_url", f"memcached://u:{P}@h", "redis://"),
    "a store's port that is a word": setting("redis_url", f"redis://:{P}@h:x/0", "port"),
    "a store's database that is a word": setting("redis_url", f"redis://:{P}@h/x", "/0"),
    "a store without a host": setting("redis_url", "redis:///0", "host"),
    "a store by a socket": setting("redis_url", "unix:///run/redis.sock", "redis://"),
    "an unknown option of a store": setting("redis_url", f"redis://:{P}@h/0?x=1", "option"),
    "another broker's address": setting("broker_url", f"kafka://u:{P}@h", "kafka://", "amqp://"),
    "a broker in the cloud": setting("broker_url", f"sqs://u:{P}@", "sqs://"),
    "a broker's port that is a word": setting("broker_url", f"amqp://u:{P}@h:x//", "port"),
    "a broker without a host": setting("broker_url", "amqp://", "host"),
    # other settings
    "a secret key too short": setting("secret_key", "s3cret", "short", "openssl"),
    "an API key with a blank": setting("api_key", f"{P} {P}", "blank"),
    "an API key of other letters": setting("api_key", f"{P}é", "ASCII"),
    "a public address without http": setting("public_url", "sms.example.org", "https://"),
    "a public address with a port 0": setting("public_url", f"https://u:{P}@h:0", "port"),
    "a public address with a query": setting("public_url", f"https://h/?k={P}", "?"),
    "an API's address of another kind": setting("twilio_api_url", f"ftp://u:{P}@h", "ftp://"),
    "a port of ours that is a word": setting("http_port", "http", "integer"),
    "a port of ours too large": setting("http_port", "65536", "65535"),
    "a port of ours that is 0": setting("http_port", "0", "1"),
    "a time-out of one": setting("http_timeout", "3", "two"),
    "a time-out that is a word": setting("http_timeout", "soon,10", "seconds"),
    "a time-out below 0": setting("http_timeout", "-1,10", "more than 0"),
    "a time-out that never ends": setting("http_timeout", "inf,10", "more than 0"),
    "a fence below 0": setting("fence", "-1", "greater than 0"),
    "a fence that is no number": setting("fence", "nan"),
    "proof before the call may end": setting("reconcile_after", "5", "more than the fence"),
    "looks that do not rise": setting("reconcile_checks", "30,900,120", "rise"),
    "looks that begin too early": setting("reconcile_checks", "1,2,3", "not begin before"),
    "a guess about the unknown": setting("on_unknown", "guess", "'park' or 'resend'"),
    "a share above 1": setting("pause_on_failures", "50", "1"),
    "a margin above a half": setting("pace_margin", "5", "0.5"),
    "neither yes nor no": setting("allow_private_urls", "perhaps", "boolean"),
    "no room for an upload": setting("max_upload_mb", "0", "1"),
    "a form of log there is not": setting("log_format", "xml", "'json'"),
    "a level of log there is not": setting("log_level", "loud", "'info'"),
    "a country in small letters": setting("default_region", "us", "capital"),
    "a country's whole name": setting("default_region", "Germany", "two"),
    "a home of nobody": setting("data_dir", "~nobody-of-that-name/x", "home"),
    # files and names
    "a misspelt name": setting("databse_url", f"postgresql://u:{P}@h/d", "VOLLEY_DATABASE_URL?"),
    "a short name": setting("db_url", f"postgresql://u:{P}@h/d", "VOLLEY_DATABASE_URL?"),
    "a misspelt account": setting("twilio_acount_sid", "AC1", "VOLLEY_TWILIO_ACCOUNT_SID?"),
    "a misspelt file": setting("secret_kye_file", "/run/k", "VOLLEY_SECRET_KEY_FILE?"),
    "a bare port": setting("port", "8080", "VOLLEY_HTTP_PORT?"),
    "a secret's file that is not there": setting("secret_key_file", "{directory}/no", "read"),
    "a secret in place of its file": setting("secret_key_file", P, "read"),
    "a secret's file that is a directory": setting("secret_key_file", "{directory}", "read"),
    "a secret's file that is empty": setting("secret_key_file", "{directory}/empty", "empty"),
    "a secret's file that is no text": setting("api_key_file", "{directory}/bytes", "UTF-8"),
    "an env file that is not there": setting("env_file", "{directory}/no.env", "no file"),
    "an env file that is a directory": setting("env_file", "{directory}", "read"),
    "an env file that is no text": setting("env_file", "{directory}/bytes", "UTF-8"),
    "an env file with half a line": setting("env_file", "{directory}/half", "line 2"),
    "a misspelt name in an env file": Wrong(
        {"env_file": "{directory}/misspelt"}, ("VOLLEY_FENSE", "VOLLEY_FENCE?"), SETTINGS
    ),
    "a wrong value in an env file": Wrong(
        {"env_file": "{directory}/wrong"}, ("VOLLEY_REDIS_URL", "port"), SETTINGS
    ),
    # directories, addresses and rules between settings
    "a data directory that is a file": Wrong(
        {"data_dir": "{directory}/empty"}, ("{directory}/empty", "VOLLEY_DATA_DIR")
    ),
    "a data directory below a file": Wrong(
        {"data_dir": "{directory}/empty/x"}, ("{directory}/empty", "VOLLEY_DATA_DIR")
    ),
    "a data directory with too long a name": Wrong(
        {"data_dir": "{directory}/" + "d" * 300}, ("{directory}/ddd", "VOLLEY_DATA_DIR")
    ),
    "a data directory where nothing is kept": Wrong(
        {"data_dir": "/proc/volley"}, ("/proc", "VOLLEY_DATA_DIR")
    ),
    "a country there is not": Wrong({"default_region": "XX"}, ("VOLLEY_DEFAULT_REGION", "XX")),
    "an address of another machine": Wrong(
        {"http_host": "203.0.113.9"}, ("VOLLEY_HTTP_HOST", "203.0.113.9", "127.0.0.1")
    ),
    "an address that is none": Wrong({"http_host": "no host"}, ("VOLLEY_HTTP_HOST", "0.0.0.0")),
    "no secret key beside a database": Wrong(
        {"database_url": "{good}"}, ("VOLLEY_SECRET_KEY", "same")
    ),
    # a database that is away, or not as it must be
    "a database that is away": database(
        f"postgresql://u:{P}@127.0.0.1:1/d", "refused", "VOLLEY_DATABASE_URL"
    ),
    "a database that never answers": database(
        f"postgresql://u:{P}@127.0.0.1:{{mute}}/d", "VOLLEY_DATABASE_URL"
    ),
    "a database that is a store": database("{store_as_database}", "VOLLEY_DATABASE_URL"),
    "a wrong password": database("{wrong_password}", "password", "VOLLEY_DATABASE_URL"),
    "a role there is not": database("{role_nobody}", "VOLLEY_DATABASE_URL"),
    "a database there is not": database("{nowhere}", "nowhere", "VOLLEY_DATABASE_URL"),
    "a role without a connection left": database("{role_crowd}", "too many connections"),
    "a role that may only read": database("{role_reader}", "read-only", "VOLLEY_DATABASE_URL"),
    "a role without rights": database("{role_guest}", "guest", "may not", "VOLLEY_DATABASE_URL"),
    "a role without a schema": database("{role_shut_closed}", "may not", "VOLLEY_DATABASE_URL"),
    "a role that may make nothing": database("{role_guest_empty}", "may not make", "CREATE"),
    "a schema of the future": database("{newer}", "newer than this program", "update the program"),
    "another program's tables": database("{anothers}", "another program", "VOLLEY_DATABASE_URL"),
    "a database of Latin letters": database("{latin}", "LATIN1", "UTF8"),
    "another secret key": database("{sealed}", "another VOLLEY_SECRET_KEY", "1 agent"),
    "an option of a database there is not": database("{good}?xyz=1", "VOLLEY_DATABASE_URL"),
    # a store or a broker that is away, or not as it must be
    "a store that is away": Wrong(
        {"redis_url": f"redis://:{P}@127.0.0.1:1/0"}, ("refused", "VOLLEY_REDIS_URL")
    ),
    "a store that never answers": Wrong(
        {"redis_url": f"redis://:{P}@127.0.0.1:{{mute}}/0"}, ("VOLLEY_REDIS_URL",)
    ),
    "a store's wrong password": Wrong({"redis_url": "{store_wrong}"}, ("VOLLEY_REDIS_URL",)),
    "a store without its password": Wrong(
        {"redis_url": "{store_without}"}, ("asks for a password", "VOLLEY_REDIS_URL")
    ),
    "a store's database there is not": Wrong(
        {"redis_url": "{store_99999}"}, ("range", "VOLLEY_REDIS_URL")
    ),
    "a store that only follows": Wrong({"redis_url": "{replica}"}, ("replica", "VOLLEY_REDIS_URL")),
    "a store's option of another kind": Wrong(
        {"redis_url": "{store}?socket_timeout=soon"}, ("VOLLEY_REDIS_URL",)
    ),
    "a broker that is away": Wrong(
        {"broker_url": f"amqp://u:{P}@127.0.0.1:1//"}, ("refused", "VOLLEY_BROKER_URL")
    ),
    "a broker that never answers": Wrong(
        {"broker_url": f"amqp://u:{P}@127.0.0.1:{{mute}}//"}, ("VOLLEY_BROKER_URL",)
    ),
    "a broker that is a store": Wrong({"broker_url": "{store_as_broker}"}, ("VOLLEY_BROKER_URL",)),
    "a store as broker, wrong password": Wrong({"broker_url": "{store_wrong}"}, ("VOLLEY_BROKER",)),
}


@pytest.fixture(scope="module")
def wide(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("wrong")
    (directory / "empty").touch()
    (directory / "bytes").write_bytes(b"VOLLEY_API_KEY=\xff\xfe\n")
    (directory / "half").write_text(f"VOLLEY_FENCE=3\nVOLLEY_API_KEY '{PASSWORD}\n")
    (directory / "misspelt").write_text("VOLLEY_FENSE=3\n")
    (directory / "wrong").write_text(f"VOLLEY_REDIS_URL=redis://:{PASSWORD}@h:x/0\n")
    with world(servers, _TEMPLATE, directory) as made:
        yield made


Tried = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def tried(
    wide: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tried]:
    """Runs a command with these settings; its exit code and every line that it printed."""

    def nothing_may_start(*_: object) -> None:
        raise AssertionError("the stack was started")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stack, "_start", nothing_may_start)
    monkeypatch.setattr(leftovers, "data_directories", list)
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)

    def attempt(wrong: Wrong, *words: str) -> tuple[int, list[str]]:
        given = {"data_dir": str(tmp_path / "data")} | wrong.given
        with environment(**{name: filled(value, wide) for name, value in given.items()}):
            code = run(words)
        captured = capsys.readouterr()
        printed = captured.out + captured.err
        assert not [secret for secret in wide.secrets() if secret in printed]
        assert "Traceback" not in printed
        return code, printed.splitlines()

    with capture_logs():
        yield attempt


def filled(text: str, wide: World) -> str:
    """`text` with the world's addresses in the place of their names."""
    plain = wide.store.partition("@")[2]
    return text.format(
        **vars(wide),
        wrong_password=wide.role("volley"),
        role_nobody=wide.role("nobody"),
        role_crowd=wide.role("crowd"),
        role_reader=wide.role("reader"),
        role_guest=wide.role("guest"),
        role_shut_closed=wide.role("shut", wide.closed),
        role_guest_empty=wide.role("guest", wide.empty),
        nowhere=wide.database("nowhere"),
        store_as_database=f"postgresql://u:{PASSWORD}@{plain.partition('/')[0]}/d",
        store_as_broker=f"amqp://u:{PASSWORD}@{plain.partition('/')[0]}//",
        store_wrong=f"redis://:{PASSWORD}@{plain}",
        store_without=f"redis://{plain}",
        store_99999=wide.store.rpartition("/")[0] + "/99999",
    )


def rows(table: dict[str, Wrong]) -> list[object]:
    return [pytest.param(wrong, id=name) for name, wrong in table.items()]


def test_the_table_is_long() -> None:
    assert len(TABLE) >= 60


@pytest.mark.parametrize("wrong", rows(TABLE))
def test_up_says_in_one_line_what_is_wrong_and_what_to_do(
    wrong: Wrong, wide: World, tried: Tried
) -> None:
    code, lines = tried(wrong, "up", "--port=0")

    assert (code, len(lines)) == (wrong.code, 1), lines
    assert lines[0].startswith("volley: ")
    assert [word for word in wrong.says if filled(word, wide) not in lines[0]] == [], lines


@pytest.mark.parametrize("wrong", rows(TABLE))
def test_the_doctor_has_one_line_about_it_and_fails(
    wrong: Wrong, wide: World, tried: Tried
) -> None:
    code, lines = tried(wrong, "doctor")

    failing = [line for line in lines if line.startswith("fail")]
    assert (code, len(failing)) == (1, 1), lines
    assert " -> " in failing[0]
    assert [word for word in wrong.says if filled(word, wide) not in failing[0]] == [], failing


@pytest.mark.parametrize("wrong", rows({n: w for n, w in TABLE.items() if w.code == SETTINGS}))
@pytest.mark.parametrize("words", ["ps", "agent list", "migrate", "sweep", "check x.csv", "clean"])
def test_no_command_goes_on_with_a_setting_that_cannot_be_used(
    wrong: Wrong, words: str, wide: World, tried: Tried
) -> None:
    code, lines = tried(wrong, *words.split())

    assert (code, len(lines)) == (SETTINGS, 1), lines
    assert filled(wrong.says[0], wide) in lines[0]


@pytest.mark.parametrize("wrong", rows({n: w for n, w in TABLE.items() if w.code == SERVERS}))
@pytest.mark.parametrize("words", ["campaign list", "key create ann"])
def test_what_a_server_does_to_any_other_command_is_one_line(
    wrong: Wrong, words: str, tried: Tried
) -> None:
    code, lines = tried(wrong, *words.split())

    assert code in {0, SERVERS}
    assert code == 0 or len(lines) == 1, lines


@pytest.mark.parametrize(
    "wrong", rows({n: w for n, w in TABLE.items() if "database_url" in w.given})
)
@pytest.mark.parametrize("words", ["migrate", "sweep"])
def test_nobody_mends_a_database_that_cannot_be_used(
    wrong: Wrong, words: str, wide: World, tried: Tried
) -> None:
    if "VOLLEY_SECRET_KEY" in " ".join(wrong.says):
        return  # the schema is well, whoever sealed what

    code, lines = tried(wrong, words)

    assert (code, len(lines)) == (wrong.code, 1), lines
    assert [word for word in wrong.says if filled(word, wide) not in lines[0]] == [], lines


def test_the_old_name_of_the_scheme_is_taken(wide: World, tried: Tried) -> None:
    postgres = wide.good.replace("postgresql+psycopg://", "postgres://")
    given = {"database_url": postgres, "secret_key": KEY}

    assert tried(Wrong(given, ()), "agent", "list") == (
        0,
        tried(Wrong(given, ()), "agent", "list")[1],
    )
    code, lines = tried(Wrong(given, ()), "doctor")
    assert code == 0
    assert [line for line in lines if line.startswith("ok    database    answers (Postgres ")]


def test_names_of_others_are_left_alone_and_strange_ones_are_told(tried: Tried) -> None:
    kubernetes = {
        "service_host": "10.0.0.7",
        "service_port": "8080",
        "port": "tcp://10.0.0.7:8080",
        "port_8080_tcp_addr": "10.0.0.7",
    }

    code, lines = tried(Wrong(kubernetes | {"zebra": "1"}, ()), "doctor")

    told = [line for line in lines if not line.startswith("ok")]
    assert (code, len(told)) == (0, 1)
    assert "VOLLEY_ZEBRA is no setting" in told[0]


@pytest.mark.parametrize("words", ["doctor", "up --port=0", "agent list"])
def test_the_program_itself_ends_like_that(words: str, tmp_path: Path) -> None:
    wrong = {"VOLLEY_DATABASE_URL": f"mysql://u:{PASSWORD}@h/d", "VOLLEY_ENV_FILE": ""}

    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *words.split()],
        env=os.environ | wrong | {"PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    printed = done.stdout + done.stderr
    assert done.returncode == (1 if words == "doctor" else 2)
    assert (printed.count("VOLLEY_DATABASE_URL"), "Traceback" in printed) == (1, False)
    assert PASSWORD not in printed


@pytest.mark.parametrize("program", ["scheduler.http", "scheduler.app", "worker.app"])
def test_a_program_started_by_hand_ends_with_the_line_too(program: str, tmp_path: Path) -> None:
    done = by_hand(program, tmp_path, VOLLEY_REDIS_URL=f"redis://:{PASSWORD}@h:x/0")

    assert done.returncode == 1
    assert done.stderr.startswith("volley: VOLLEY_REDIS_URL: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["scheduler.app", "worker.app"])
def test_a_program_started_by_hand_without_its_servers_says_so(
    program: str, tmp_path: Path
) -> None:
    done = by_hand(program, tmp_path, VOLLEY_REDIS_URL="")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("volley: No Redis: start the stack with")
    assert "Traceback" not in done.stderr


REDIS = f"redis://:{PASSWORD}@127.0.0.1:1/0"
PROGRAMS = ["scheduler.app", "scheduler.background", "worker.app", "worker.app --queues=receipts"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_started_by_hand_without_a_database_ends_with_one_line(
    program: str, tmp_path: Path
) -> None:
    done = by_hand(program, tmp_path, VOLLEY_REDIS_URL=REDIS)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "volley: No database: start the stack with 'volley up', or set VOLLEY_DATABASE_URL.\n"
    )


def by_hand(program: str, tmp_path: Path, **given: str) -> "subprocess.CompletedProcess[str]":
    """One of the programs that other machines run, with nothing set but this."""
    more = {"worker.app": ["--queues=send"], "scheduler.background": ["scheduler-1"]}
    words = [sys.executable, "-m", *program.split(), *more.get(program, [])]
    usual = {"VOLLEY_ENV_FILE": "", "VOLLEY_DATA_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        words,
        env=os.environ | usual | given,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
