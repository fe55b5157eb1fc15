"""The import contracts of pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

from tests.support import sources


def test_nobody_imports_what_is_not_theirs_to_know() -> None:
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [lint, "--no-cache"], cwd=sources.ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
