"""Becomes another program: as another user if asked, and bound to die with its starter.

Run as a script, never imported, and nothing but the standard library: when root starts a server as
`nobody`, everything that lies in root's own environment has to be read before the privileges go.

The order matters. Linux forgets the death signal (PR_SET_PDEATHSIG, prctl(2)) when a process
changes its user, so it is set after that; it survives the exec that follows. The signal comes when
the *thread* that started us ends, so children are started from a thread that outlives them.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def main(request_fd: int) -> None:
    """Read the request (the JSON object that `child_process.spawn` writes); become the program."""
    with os.fdopen(request_fd) as pipe:
        request = json.load(pipe)
    os.umask(0o077)
    _listen()
    _become(request["user"])
    _die_with(request["parent"], request["death_signal"])
    _execute(request["argv"], request["env"], clean=request["clean"])


def _listen() -> None:
    """A program is asked to stop by these, also if our own starter ignores them (as nohup does)."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _become(user: list[int] | None) -> None:
    if user is None:
        return
    uid, gid = user
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with(parent: int, death_signal: int) -> None:
    if not sys.platform.startswith("linux"):
        return  # macOS has no such call: what is left over is ended at the next start
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the process that started this one has already gone")


def _execute(argv: list[str], env: dict[str, Any], *, clean: bool) -> None:
    if clean:
        os.execve(argv[0], argv, env)
    for name, value in env.items():
        os.putenv(name, value)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(int(sys.argv[1]))
