"""`volley carrier` as a process: it says where it is, ends when told, and says what is wrong."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from deploy.simulators.twilio.server import Carrier

TOKEN = "only ours to know"


def start(*options: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.simulators.twilio", *options],
        env={k: v for k, v in os.environ.items() if k != "VOLLEY_CARRIER_AUTH_TOKEN"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_prints_one_line_with_its_url_and_credentials_and_ends_when_told(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"latency_ms": 3, "numbers": {"0000": {"refuse": 21610}}}))

    with start("--port", "0", "--script", str(script)) as carrier:
        assert carrier.stdout is not None
        line = carrier.stdout.readline()
        url = line.split("url=")[1].split()[0]
        with urlopen(f"{url}/control") as answer:
            dials = json.load(answer)
        carrier.send_signal(signal.SIGTERM)
        rest, complaints = carrier.communicate(timeout=10)

    assert line.startswith("carrier SIMULATED url=http://127.0.0.1:")
    assert len(line.partition(" token=")[2].strip()) == 32
    assert dials["latency_ms"] == 3
    assert (carrier.returncode, rest, complaints) == (0, "", "")


def opens(line: str, token: str) -> bool:
    """Whether the simulator that printed this line knows the token."""
    url, sid = (line.partition(f"{name}=")[2].partition(" ")[0].strip() for name in ("url", "sid"))
    basic = base64.b64encode(f"{sid}:{token}".encode()).decode()
    ask = Request(f"{url}/2010-04-01/Accounts/{sid}.json")
    ask.add_header("Authorization", f"Basic {basic}")
    try:
        urlopen(ask, timeout=10).close()
    except HTTPError as refused:
        refused.close()
        return False
    return True


@pytest.mark.parametrize("by_file", [True, False])
def test_its_token_comes_by_a_file_or_by_the_environment_and_is_not_printed_again(
    tmp_path: Path, by_file: bool
) -> None:
    kept = tmp_path / "token"
    kept.write_text(TOKEN + "\n")
    options = ("--auth-token-file", str(kept)) if by_file else ()
    given = {} if by_file else {"VOLLEY_CARRIER_AUTH_TOKEN": TOKEN}

    with start("--port", "0", *options, **given) as carrier:
        assert carrier.stdout is not None
        line = carrier.stdout.readline()
        answers = [opens(line, TOKEN), opens(line, "carrier-simulator-token")]
        command_line = Path(f"/proc/{carrier.pid}/cmdline").read_text()
        carrier.send_signal(signal.SIGTERM)

    assert answers == [True, False]
    assert TOKEN not in line + command_line


def test_a_token_that_is_made_up_is_another_one_at_each_start() -> None:
    lines = []
    for _ in range(2):
        with start("--port", "0") as carrier:
            assert carrier.stdout is not None
            lines.append(carrier.stdout.readline())
            assert opens(lines[-1], lines[-1].partition(" token=")[2].strip())
            carrier.send_signal(signal.SIGTERM)

    assert lines[0].partition(" token=")[2] != lines[1].partition(" token=")[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--auth-token", TOKEN), "--auth-token-file"),
        (("--auth-token-file", "nowhere"), "No such file"),
        (("--auth-token-file", os.devnull), "empty"),
    ],
)
def test_a_token_on_the_command_line_or_in_no_file_is_one_line_and_a_failure(
    options: tuple[str, str], words: str
) -> None:
    with start("--port", "0", *options) as carrier:
        _, complaint = carrier.communicate(timeout=10)

    assert carrier.returncode == 1
    assert words in complaint and complaint.count("\n") == 1
    assert TOKEN not in complaint


def test_a_taken_port_is_one_line_and_a_failure(carrier: Carrier) -> None:
    with start("--port", str(carrier.port)) as second:
        _, complaint = second.communicate(timeout=10)

    assert second.returncode == 1
    assert complaint.startswith(f"volley carrier: port {carrier.port}: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "No such file"), ('{"latency": 3}', "latency"), ("{", "JSON"), ("[]", "object")],
)
def test_a_script_that_cannot_be_used_is_one_line_and_a_failure(
    tmp_path: Path, text: str | None, words: str
) -> None:
    script = tmp_path / "script.json"
    if text is not None:
        script.write_text(text)

    with start("--script", str(script)) as carrier:
        _, complaint = carrier.communicate(timeout=10)

    assert carrier.returncode == 1
    assert str(script) in complaint and words in complaint
    assert complaint.count("\n") == 1
