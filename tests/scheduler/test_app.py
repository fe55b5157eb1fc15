"""The scheduler's process: with its dispatch loop everything of it ends."""

import subprocess
import sys
import uuid
from pathlib import Path

_MAIN = """
import sys
from scheduler import app
from shared.errors import Misconfigured

def run(*_):
    raise Misconfigured("no_such_thing", "Set VOLLEY_X.")

app.run = run
app.main(["--name", sys.argv[1]])
"""


def test_a_dispatch_loop_that_cannot_go_on_ends_the_process_and_its_child_with_one_line(
    database: str,
) -> None:
    name = f"scheduler-{uuid.uuid4().hex}"

    done = subprocess.run(
        [sys.executable, "-c", _MAIN, name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("volley:")] == [
        "volley: Set VOLLEY_X."
    ]
    assert "Traceback" not in done.stderr
    assert alive(name) == []


def alive(name: str) -> list[str]:
    """The command lines of processes that say this name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if name in words:
            found.append(words)
    return found
