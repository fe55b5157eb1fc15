"""Which number was accepted where, however many there are."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scheduler.ingest.check.dedup import Seen


@pytest.mark.parametrize("batch", [1, 7, 600])
@pytest.mark.parametrize("in_memory", [3, 1000, 100_000])
def test_the_map_is_exact_in_memory_and_on_disk(in_memory: int, batch: int) -> None:
    dice = random.Random(3)
    numbers = dice.sample(range(10**14), 2000)
    asked = [number for number in numbers for _ in range(dice.choice([1, 1, 2]))]
    dice.shuffle(asked)
    first: dict[Any, Any] = {}
    for row, number in enumerate(asked):
        first.setdefault(number, row)

    with Seen(in_memory=in_memory) as seen:
        repeated: dict[Any, Any] = {}
        for start in range(0, len(asked), batch):
            rows = range(start, min(start + batch, len(asked)))
            taken = seen.claim([asked[row] for row in rows], rows)
            repeated |= {start + place: row for place, row in taken.items()}

        assert repeated == {
            row: first[number] for row, number in enumerate(asked) if first[number] != row
        }
        assert [seen.row_of(number) for number in numbers] == [first[n] for n in numbers]
        assert seen.row_of(10**14 + 1) is None


def test_its_scratch_file_can_be_closed_twice() -> None:
    seen = Seen(in_memory=1)
    seen.claim([15551230000], [2])

    seen.close()
    seen.close()

    assert seen.row_of(15551230000) is None


def test_an_import_that_is_killed_leaves_no_numbers_on_the_disk(tmp_path: Path) -> None:
    program = """
import os
from contextlib import suppress
from scheduler.ingest.check.dedup import Seen
seen = Seen(in_memory=1000)
for first in range(10**14, 10**14 + 900_000, 20_000):
    seen.claim(range(first, first + 20_000), range(first, first + 20_000))
for fd in os.listdir("/proc/self/fd"):
    with suppress(OSError):
        print(os.readlink(f"/proc/self/fd/{fd}"), flush=True)
os.kill(os.getpid(), 9)
"""

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SQLITE_TMPDIR": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == -signal.SIGKILL
    assert f"\n{tmp_path}/" in ran.stdout  # it was on the disk, and not in memory
    assert list(tmp_path.iterdir()) == []
