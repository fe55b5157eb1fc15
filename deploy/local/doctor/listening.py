"""Whether the API could listen where the settings say."""

from collections.abc import Iterator

from deploy.local.doctor.finding import Finding, fail, ok, warn
from deploy.local.running import Stack
from deploy.local.system import ports
from shared.errors import Refused
from shared.settings import Settings


def listening(chosen: Settings, stack: Stack | None) -> Iterator[Finding]:
    """The address, and the port while no stack of ours has it."""
    try:
        ports.require_host(chosen.http_host)
        wanted = chosen.http_port
        if stack is None and (found := ports.next_free(wanted, host=chosen.http_host)) != wanted:
            fix = f"none needed: volley up takes {found}; or set VOLLEY_HTTP_PORT"
            yield warn("port", f"{wanted} is busy", fix=fix)
        elif stack is None:
            yield ok("port", f"{wanted} is free")
    except Refused as refusal:
        says, _, fix = refusal.message.rstrip(".").rpartition(": ")
        yield fail("port", says, fix=fix)
