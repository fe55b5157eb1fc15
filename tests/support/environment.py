"""Point the process at other settings: everything that was read once is read again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared import secrets
from shared.db import session
from shared.settings import settings
from shared.throttle import redis_client


@contextmanager
def environment(**values: object) -> Iterator[None]:
    """VOLLEY_<NAME> = value for the length of the block; no .env file is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOLLEY_ENV_FILE", "")
        for name, value in values.items():
            patch.setenv(f"VOLLEY_{name.upper()}", str(value))
        _forget()
        try:
            yield
        finally:
            _forget()
    _forget()


def _forget() -> None:
    if session._engine.cache_info().currsize:
        session.engine().dispose()
    if redis_client.redis.cache_info().currsize:
        redis_client.redis().close()
    for kept in (settings, session._engine, redis_client.redis, secrets._fernet):
        kept.cache_clear()
