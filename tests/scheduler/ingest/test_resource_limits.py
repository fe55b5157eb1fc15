"""The limit of a program that a person waits for counts from what it holds already."""

import subprocess
import sys

_PROGRAM = """
import threading
from scheduler.ingest.resource_limits import MIB, MOST_MEMORY, limited_memory

held = bytearray(MOST_MEMORY + 64 * MIB)
with limited_memory():
    thread = threading.Thread(target=print, args=["a thread ran"], daemon=True)
    thread.start()
    thread.join()
    try:
        bytearray(MOST_MEMORY + MIB)
    except MemoryError:
        print("and the limit was met")
print(len(bytearray(MOST_MEMORY + MIB)) > 0, "afterwards")
"""


def test_a_program_that_holds_more_than_the_limit_starts_threads_and_is_still_limited() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.stdout.splitlines() == ["a thread ran", "and the limit was met", "True afterwards"]
