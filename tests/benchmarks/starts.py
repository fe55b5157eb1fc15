"""How long people wait: for `volley --help`, and from a fresh copy to the demo's first delivery."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text

from deploy.local.running import Stack, current
from shared.db.session import connect
from tests.benchmarks.row import Row, absent, within
from tests.support.embedded import temporary_directory
from tests.support.eventually import eventually
from tests.support.sources import ROOT, repository_files

HELP_WITHIN, DEMO_WITHIN = 0.4, 90.0


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Seconds, against what they may be."""
    helped = [(_help(), HELP_WITHIN) for _ in range(max(3, rounds))]
    rows = [within("volley --help", helped, unit="s", most=1, note=f"limit {HELP_WITHIN:g} s")]
    if quick:
        note = "only in the long form: it installs everything anew"
        return [*rows, absent("make demo, first delivery", target="≤ 1", note=note)]
    installed, delivered = _demo()
    note = f"limit {DEMO_WITHIN:g} s, of which {installed:.0f} s to install"
    took = [(delivered, DEMO_WITHIN)]
    return [*rows, within("make demo, first delivery", took, unit="s", most=1, note=note)]


def _help() -> float:
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("volley")), "--help"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _demo() -> tuple[float, float]:
    """Seconds to install, and from the first keystroke to the first delivery."""
    with temporary_directory() as kept:
        copy = Path(kept, "volley")
        for file in repository_files():
            target = copy / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        quiet = {"cwd": copy, "stdout": subprocess.DEVNULL, "start_new_session": True}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VOLLEY_")}
        began = time.monotonic()
        make = ["make", f"PYTHON={sys._base_executable}"]  # type: ignore[attr-defined]
        subprocess.run([*make, ".venv/.run"], check=True, env=environment, **quiet)  # type: ignore[call-overload]
        installed = time.monotonic() - began
        with subprocess.Popen([*make, "demo"], env=environment, **quiet) as demo:  # type: ignore[call-overload]
            eventually(
                lambda: _delivered(copy), "the demo's first delivery", seconds=300, every=0.05
            )
            delivered = time.monotonic() - began
            assert demo.wait(600) == 0, "the demo failed"
    return installed, delivered


def _delivered(copy: Path) -> bool:
    stack: Stack | None = current(copy / ".volley" / "demo")
    if stack is None:
        return False
    engine = connect(stack.database_url)
    with suppress(Exception), engine.connect() as connection:
        query = "SELECT 1 FROM message WHERE delivered_at IS NOT NULL LIMIT 1"
        return connection.execute(text(query)).first() is not None
    return False
