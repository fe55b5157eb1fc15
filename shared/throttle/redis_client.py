"""The process's connection to Redis, for the throttle."""

from functools import cache

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import Misconfigured
from shared.settings import settings


@cache
def redis() -> Redis:
    """The Redis client; its calls fail within seconds.

    Raises Misconfigured without VOLLEY_REDIS_URL.
    """
    url = settings().redis_url
    if url is None:
        raise Misconfigured(
            "no_redis",
            "No Redis: start the stack with 'volley up', or set VOLLEY_REDIS_URL.",
        )
    return Redis.from_url(
        url.get_secret_value(),
        socket_timeout=3,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )
