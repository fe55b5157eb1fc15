"""Reads a campaign file in a process of its own, with a limit on memory and CPU."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIB: Final = 1024**2
#: Beyond what the process has when it begins; what runs into it is no answer but a MemoryError.
_ADDRESSES: Final = 1024 * _MIB
_CPU_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file: its rows counted, or the refusal's code; MiB that memory grew by."""

    rows: int
    code: str
    message: str
    grown: float


def read_bounded(file: Path) -> Outcome:
    """Open the file and read every row of it. Linux only: memory is read from /proc."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(file), str(_ADDRESSES), str(_CPU_SECONDS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Outcome(**json.loads(done.stdout))


_CHILD: Final = """
import json, re, resource, sys
from pathlib import Path
from scheduler.ingest import open_rows
from shared.errors import Refused

def kib(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

file, addresses, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
most = kib("VmSize") * 1024 + addresses
resource.setrlimit(resource.RLIMIT_AS, (most, most))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
before = kib("VmRSS")
rows, code, message = 0, "", ""
try:
    with open(file, "rb") as opened:
        for table in open_rows(opened, filename="x").tables():
            rows += len(table)
except Refused as refused:
    code, message = refused.code, refused.message
grown = (kib("VmHWM") - before) / 1024
print(json.dumps({"rows": rows, "code": code, "message": message, "grown": grown}))
"""
