"""What processes cost, read from /proc: CPU seconds and memory, of one or of a whole tree."""

import os
from collections import defaultdict
from collections.abc import Container
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU this process has used itself, in user and kernel mode."""
    return sum(_times(pid)[:2]) / TICKS


def tree(root: int) -> list[int]:
    """The process and all that descend from it and live."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = _fields(int(entry.name))
            except OSError:
                continue
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def cpu_of_tree(root: int, *, without: Container[int] = ()) -> dict[str, float]:
    """CPU seconds by command line, of the tree's processes and of their children that have ended.

    `without` are pids that are left out. A child that ended counts for its parent.
    """
    spent: dict[str, float] = defaultdict(float)
    for pid in tree(root):
        if pid in without:
            continue
        try:
            spent[_label(pid)] += sum(_times(pid)) / TICKS
        except OSError:
            continue
    return spent


def resident_mib(pid: int) -> float:
    """Resident memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def peak_mib(pid: int | str = "self") -> float:
    """The most resident memory the process ever had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("this kernel does not say")


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _times(pid: int) -> list[int]:
    """utime, stime, and those of children that were waited for."""
    return [int(field) for field in _fields(pid)[11:15]]


def _label(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    if words[0].startswith("postgres") or "postgres" in Path(words[0]).name:
        return "postgres"
    if "valkey" in Path(words[0]).name:
        return "valkey"
    return " ".join(words[2:5]).strip() if words[1:2] == ["-m"] else " ".join(words[:4]).strip()
