"""The fork server: has everything imported that an import needs, and forks a child for each.

Started by `nursery` with its end of a socket. It has one thread and touches no database, so that
its children inherit neither locks nor connections. It ends when the socket's other end does, and
its children with it.
"""

import ctypes
import gc
import io
import logging
import os
import resource
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

from pydantic import SecretStr

from scheduler.import_process import child, protocol
from scheduler.ingest import Plan, ReportBuilder, open_rows, validate
from scheduler.ingest.load.copy_text import recipient_lines, reject_lines
from shared.db.session import engine
from shared.errors import Misconfigured
from shared.logging import configure_logging
from shared.settings import settings

_PR_SET_PDEATHSIG: Final = 1


class Server:
    """One fork server, on its end of the socket of orders."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._parents: dict[int, socket.socket] = {}
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)

    def serve(self) -> None:
        """Take orders until there is nobody to give any."""
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else no wake-up
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._ear in ready:
                    self._ear.recv(4096)
                    self._bury()
                if self._orders in ready and not self._take():
                    return

    def _take(self) -> bool:
        order, descriptors, _, _ = socket.recv_fds(self._orders, protocol.ORDER_BYTES, 1)
        if len(order) < protocol.ORDER_BYTES:
            return False
        parent = socket.socket(fileno=descriptors[0])
        (campaign_id,) = struct.unpack("!q", order)
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(server)
            child.main(campaign_id, parent)
        self._parents[pid] = parent
        protocol.say(parent, pid=pid)
        return True

    def _become_child(self, server: int) -> None:
        """Forget what was the server's; end with it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != server:
                os._exit(1)
        for other in (self._orders, self._bell, self._ear, *self._parents.values()):
            other.close()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def _bury(self) -> None:
        """Tell the parents of children that have ended how they did."""
        while self._parents:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._parents.pop(pid) as parent:
                seconds = used.ru_utime + used.ru_stime
                code = os.waitstatus_to_exitcode(status)
                protocol.say(parent, ended=code, seconds=seconds, peak=used.ru_maxrss)


def _rehearse() -> None:
    """Have all that an import loads at its first use loaded here, once for all children."""
    with suppress(Misconfigured):  # without a database, each child says so
        engine()  # it has no connection yet
    rows = open_rows(io.BytesIO(_REHEARSED), filename="rehearsal.csv")
    plan = Plan(template="Hi {name}", region=settings().default_region)
    for chunk in validate(rows, plan, report=ReportBuilder.of(rows, rate=1.0)):
        recipient_lines(0, ["0"] * len(chunk.accepted), chunk.accepted)
        reject_lines(0, chunk.rejected)


#: Numbers that may be had in the US and in Britain, and one that is wrong.
_REHEARSED: Final = b"phone,name\n(202) 555-0100,Ana\n+12025550101,Bo\n+447400123456,Cem\n12,Dee\n"


def main(descriptor: int, level: int) -> None:
    """Serve on the socket of this number, and log from `level` on, as the parent does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who started this decides when it ends
    configure_logging("importer")
    logging.getLogger().setLevel(level)
    orders = socket.socket(fileno=descriptor)
    if url := protocol.hear_where(orders):
        settings().database_url = SecretStr(url)
    _rehearse()
    gc.collect()
    gc.freeze()
    Server(orders).serve()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
