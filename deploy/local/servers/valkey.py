"""The embedded Valkey: on loopback with a password; its port and its data are kept from run to run.

TCP and not a socket, because redis-py, kombu and Flower each spell a socket's address differently.
"""

import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.data_dirs.data_dir import kept_secret, own_directory, readable_file
from deploy.local.servers.binaries import valkey_program
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.system import ports, processes
from deploy.local.system.child_process import Child

#: Every write goes to the append-only file, synced once a second; a queue is never evicted. `hz`:
#: its housekeeping runs once a second, and not ten times.
CONFIGURATION = """\
bind {address}
port {port}
requirepass {password}
protected-mode yes
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
hz 1
"""


class EmbeddedValkey(EmbeddedServer):
    """Valkey over `data_dir`. `url` is `redis://…` with the password."""

    name = "valkey"
    setting = "VOLLEY_REDIS_URL"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._store = self.places.servers / "valkey"
        self._configuration = self.places.servers / "valkey.conf"
        self._password = kept_secret(self.places.servers / "valkey_password")
        self._port_file = self.places.servers / "valkey_port"
        self._port: int | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self._chosen_port()}/0"

    def child(self) -> Child:
        """Valkey itself. At the supervisor's death it stops as it does when asked: synced."""
        return Child(
            role="valkey",
            name=self.name,
            argv=(str(valkey_program()), str(self._configuration)),
            env={"LC_ALL": "C", "TZ": "UTC"},
            clean=True,
            cwd=self._store,
            user=self.places.user,
            death_signal=signal.SIGTERM,
            before=self._prepare,
            ready=self.ready,
        )

    def ready(self) -> bool:
        """Whether it answers with our password and has read its file to the end."""
        try:
            with redis.Redis.from_url(
                self.url, socket_timeout=5, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _prepare(self) -> None:
        """Write the configuration (no password on the command line); end what a killed run left."""
        own_directory(self._store, self.places.user)
        for program in ("valkey-server", "redis-server"):
            leftovers = processes.working_in(self._store, program=program)
            processes.end(leftovers, by=signal.SIGTERM, within=10)
        text = CONFIGURATION.format(
            address=ports.LOOPBACK, port=self._chosen_port(), password=self._password
        )
        readable_file(self._configuration, text, user=self.places.user)

    def _chosen_port(self) -> int:
        """Last time's port if it can be had, and the same one for as long as this object lives."""
        if self._port is None:
            self._port = ports.kept(self._port_file)
        return self._port
