"""A throttle on each of two stores: fakeredis, which runs the same Lua, and a real Valkey."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis
from redis import Redis

from tests.support.embedded import Servers


@pytest.fixture(params=["fakeredis", pytest.param("valkey", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """An empty store."""
    if request.param == "fakeredis":
        yield FakeRedis(decode_responses=True)
        return
    servers: Servers = request.getfixturevalue("servers")
    with Redis.from_url(servers.redis_url, decode_responses=True) as redis:
        redis.flushdb()
        yield redis
