"""What one `volley up` is going to run, and what it tells about it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from deploy.local.data_dirs.data_dir import Places
from deploy.local.layout import Layout, address
from deploy.local.roles import environment
from deploy.local.running import Stack
from deploy.local.servers import flower
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import processes
from shared.settings import Settings

API_KEY_FILE = "api_key"
SECRET_KEY_FILE = "secret_key"


@dataclass(frozen=True)
class Plan:
    """Settings, places, ports and the servers of our own that no URL replaces."""

    settings: Settings
    places: Places
    layout: Layout
    servers: Sequence[EmbeddedServer]

    @property
    def database_url(self) -> str:
        """Where the database is, embedded or not."""
        return self._url(EmbeddedPostgres, self.settings.database_url)

    @property
    def redis_url(self) -> str:
        """Where the throttle's store is, embedded or not."""
        return self._url(EmbeddedValkey, self.settings.redis_url)

    def environment(self) -> dict[str, str]:
        """The settings of the programs. What they would make on first use is made here, once."""
        if self.settings.api_key is None:
            self.places.secret(API_KEY_FILE)
        if self.settings.secret_key is None:
            self.places.secret(SECRET_KEY_FILE)
        return environment(self.settings, self.places, self.layout, servers=self.servers)

    def stack(self) -> Stack:
        """What others need to know of the stack; this process is its supervisor."""
        layout = self.layout
        return Stack(
            pid=os.getpid(),
            born=processes.born(os.getpid()),
            data_dir=self.places.data_dir,
            api_url=address(layout.http_port),
            api_key_path=self.places.data_dir / API_KEY_FILE,
            database_url=self.database_url,
            redis_url=self.redis_url,
            flower_url=address(layout.flower_port) if layout.flower_port else None,
            carrier_url=address(layout.carrier_port) if layout.carrier_port else None,
        )

    def introduction(self) -> list[str]:
        """The lines a person reads when the stack is up."""
        stack = self.stack()
        key = "VOLLEY_API_KEY" if self.settings.api_key else str(stack.api_key_path)
        lines = [f"Volley is up: {stack.api_url}", f"  API key  {key}"]
        if stack.flower_url:
            password = stack.data_dir / flower.PASSWORD_FILE
            lines.append(f"  Flower   {stack.flower_url}  user {flower.USER}, password {password}")
        lines.append(f"  logs     {self.places.logs}")
        if self.servers:
            lines.append(f"  data     {self.places.servers.resolve()}")
        carrier = stack.carrier_url or self.settings.twilio_api_url
        if stack.carrier_url or self.settings.simulated:
            lines.append(f"  SIMULATED: no message leaves this machine; carrier {carrier}")
        elif not self.settings.carrier_given:
            lines.append("  SIMULATED, without a carrier: nothing can be sent")
        return lines

    def _url(self, kind: type[EmbeddedServer], external: SecretStr | None) -> str:
        if external is not None:
            return external.get_secret_value()
        return next(server.url for server in self.servers if isinstance(server, kind))


def embedded(chosen: Settings) -> list[EmbeddedServer]:
    """The servers that no URL replaces."""
    servers: list[EmbeddedServer] = []
    if chosen.database_url is None:
        servers.append(EmbeddedPostgres(chosen.data_dir))
    if chosen.redis_url is None:
        servers.append(EmbeddedValkey(chosen.data_dir))
    return servers
