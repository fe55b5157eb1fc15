"""Commands run in the tests' own process, which holds more than a command's does."""

import re
from pathlib import Path

import pytest

from scheduler.ingest import resource_limits


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that limits this process's memory leaves it what earlier tests have loaded.

    Without room for its stack a new thread dies before it says that it lives, and who started it
    waits for ever.
    """
    status = Path("/proc/self/status")
    if status.exists():
        held = re.search(r"^VmData:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        assert held is not None
        monkeypatch.setattr(
            resource_limits, "MOST_MEMORY", resource_limits.MOST_MEMORY + int(held[1]) * 1024
        )
