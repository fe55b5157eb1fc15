"""`volley carrier` as a process: it says where it is, ends when told, and says what is wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from deploy.local.carrier.carrier import Carrier


def start(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local.carrier", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_prints_one_line_with_its_url_and_credentials_and_ends_when_told(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"latency_ms": 3, "numbers": {"0000": {"refuse": 21610}}}))

    with start("--port", "0", "--script", str(script), "--auth-token", "secret") as carrier:
        assert carrier.stdout is not None
        line = carrier.stdout.readline()
        url = line.split("url=")[1].split()[0]
        with urlopen(f"{url}/control") as answer:
            dials = json.load(answer)
        carrier.send_signal(signal.SIGTERM)
        rest, complaints = carrier.communicate(timeout=10)

    assert line.startswith("carrier SIMULATED url=http://127.0.0.1:")
    assert line.endswith("token=secret\n")
    assert dials["latency_ms"] == 3
    assert (carrier.returncode, rest, complaints) == (0, "", "")


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
