"""A store and a broker of somebody's own: do they answer, may we write, do they keep the queue?

Each check looks and changes nothing.
"""

import importlib
from collections.abc import Iterator
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.doctor.finding import Finding, fail, ok, warn
from shared import clock
from shared.db.trouble import reason
from shared.given.addresses import without_password

PATIENCE_SECONDS = 2
#: Slots are times of the store's clock, hours of a recipient are times of ours.
CLOCK_SECONDS = 1.0
#: What redis-py raises, also for an address it cannot use: an option's value, a host's name.
TROUBLE = (redis.RedisError, ValueError, TypeError, OSError)


def reachable(check: str, url: str, *, setting: str) -> Finding:
    """Whether it answers, lets us in, and may be written to."""
    try:
        with _client(url) as client:
            client.time()
            told = cast("dict[str, object]", client.info("replication", "cluster"))
    except TROUBLE as error:
        return _away(check, url, error, setting=setting)
    if told.get("role") == "slave":
        return fail(check, "is a replica, read-only", fix=f"let {setting} name the primary")
    if told.get("cluster_enabled") == 1:
        return fail(
            check,
            "is a cluster, where keys of one script lie apart",
            fix=f"let {setting} name a single server",
        )
    return ok(check, "answers")


def store(check: str, url: str, *, setting: str) -> Iterator[Finding]:
    """Whether it can be used, whether it keeps our time, and whether it keeps what it is given."""
    first = reachable(check, url, setting=setting)
    yield first
    if first.fix:
        return
    try:
        with _client(url) as client:
            asked = clock.unix()
            seconds, microseconds = cast("tuple[int, int]", client.time())
            offset = (asked + clock.unix()) / 2 - (seconds + microseconds / 1e6)
            yield _clock(offset)
            yield _memory_policy(check, client)
    except TROUBLE as error:
        yield _away(check, url, error, setting=setting)


def load_broker() -> None:
    """Import what `broker` needs, and most commands do not."""
    for name in ("kombu.connection", "kombu.transport.pyamqp"):
        importlib.import_module(name)


def broker(url: str) -> Finding:
    """Whether a broker that is no Redis answers and lets us in."""
    from kombu.connection import Connection

    try:
        with Connection(url, connect_timeout=PATIENCE_SECONDS) as connection:
            # Connection.connect() would try again after two seconds.
            connection.transport.establish_connection().close()
    except Exception as error:  # each transport has errors of its own
        return _away("broker", url, error, setting="VOLLEY_BROKER_URL")
    return ok("broker", "answers")


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _away(check: str, url: str, error: Exception, *, setting: str) -> Finding:
    # What a server says to a client that names no password.
    shut = "HELLO must be called" in str(error)
    why = "it asks for a password" if shut else without_password(reason(error), url)
    return fail(check, f"cannot be used: {why}", fix=f"start it, or correct {setting}")


def _memory_policy(check: str, client: redis.Redis) -> Finding:
    try:
        found = cast("dict[str, str]", client.config_get("maxmemory-policy", "appendonly"))
    except redis.ResponseError:
        return warn(
            check,
            "does not show its configuration",
            fix="make sure of maxmemory-policy noeviction, and of persistence",
        )
    found = {_word(name): _word(value) for name, value in found.items()}
    if found.get("maxmemory-policy") != "noeviction":
        return fail(check, "may evict queued work", fix="set maxmemory-policy to noeviction")
    if found.get("appendonly") != "yes":
        return warn(
            check,
            "forgets its queue when it restarts (the sweep brings it back, later)",
            fix="set appendonly to yes",
        )
    return ok(check, "evicts nothing and writes everything down")


def _clock(offset: float) -> Finding:
    if abs(offset) <= CLOCK_SECONDS:
        return ok("clock", f"within {CLOCK_SECONDS:g} s of the store's")
    return warn(
        "clock",
        f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} the store's",
        fix="let both machines follow a time server",
    )


def _word(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
