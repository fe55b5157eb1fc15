"""Connect a command to the stack that runs here, as if it were one of the stack's programs."""

import logging
from urllib.parse import urlsplit

from deploy.local.data_dirs.data_dir import places
from deploy.local.layout import Layout
from deploy.local.roles import environment
from deploy.local.running import Stack, current
from shared.errors import Refused
from shared.logging import configure_logging
from shared.settings import Settings, settings

_PREFIX = "VOLLEY_"


def attach() -> None:
    """Point this process's settings at the running stack, unless a database is configured.

    Raises Refused when there is neither. Called before the first connection is made.
    """
    chosen = settings()
    if chosen.database_url is not None:
        return
    stack = current(chosen.data_dir)
    if stack is None:
        raise Refused(
            "no_stack",
            "no stack is running here: start it with 'volley up', or set VOLLEY_DATABASE_URL",
        )
    given = _given_to_programs(stack, chosen)
    adopted = Settings.model_validate(chosen.model_dump(exclude_unset=True) | given)
    for name in given:
        setattr(chosen, name, getattr(adopted, name))


def log_errors_only() -> None:
    """Log only errors, on stderr: a command prints its answer."""
    configure_logging("cli")
    logging.getLogger().setLevel(logging.WARNING)


def _given_to_programs(stack: Stack, chosen: Settings) -> dict[str, str]:
    """The settings that the supervisor gives its programs."""
    layout = Layout(
        http_port=_port(stack.api_url),
        workers=0,
        carrier_port=_port(stack.carrier_url) if stack.carrier_url else None,
        flower_port=None,
    )
    told = environment(chosen, places(stack.data_dir), layout, servers=())
    named = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in told.items()
        if name.startswith(_PREFIX)
    }
    return named | {"database_url": stack.database_url, "redis_url": stack.redis_url}


def _port(url: str) -> int:
    return urlsplit(url).port or 80
