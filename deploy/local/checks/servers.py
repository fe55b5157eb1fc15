"""The database, the store and the broker: do they answer, and are they set up as we need them?"""

from collections.abc import Callable, Iterator
from typing import cast

import psycopg
import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError

from deploy.local.checks.finding import Finding, fail, ok, warn
from deploy.local.checks.pooler import pooler
from deploy.local.places import server_user
from deploy.local.programs import postgres_programs, valkey_program
from deploy.local.running import Stack
from shared import clock
from shared.errors import Refused
from shared.settings import Settings

PATIENCE_SECONDS = 3
#: Slots are times of the store's clock, hours of a recipient are times of ours.
CLOCK_SECONDS = 1.0


def database(chosen: Settings, stack: Stack | None) -> Iterator[Finding]:
    """Reachable, and with the newest schema."""
    url = _external(chosen.database_url) or (stack and stack.database_url)
    if not url:
        yield _embedded("database", "Postgres", lambda: str(postgres_programs().version))
        return
    try:
        psycopg.connect(_plain(url), connect_timeout=PATIENCE_SECONDS).close()
    except (psycopg.Error, ValueError) as error:
        mend = "start it, or correct VOLLEY_DATABASE_URL"
        yield fail("database", f"does not answer: {_first_line(error)}", fix=mend)
        return
    yield ok("database", "answers")
    yield from pooler(url)
    yield _schema(url)


def store(chosen: Settings, stack: Stack | None) -> Iterator[Finding]:
    """The store of the throttle, and of the queue unless a broker of its own is set."""
    url = _external(chosen.redis_url) or (stack and stack.redis_url)
    if url:
        yield from _redis("store", url, setting="VOLLEY_REDIS_URL")
    else:
        yield _embedded("store", "Valkey", lambda: valkey_program().name)
    broker = _external(chosen.broker_url)
    if broker and broker.startswith("redis"):
        yield from _redis("broker", broker, setting="VOLLEY_BROKER_URL")
    elif broker:
        yield _broker(broker)


def _schema(url: str) -> Finding:
    from shared.db.migrate import is_newest

    try:
        newest = is_newest(url)
    except SQLAlchemyError as error:
        return fail("schema", f"cannot be read: {_first_line(error)}", fix="run volley migrate")
    if newest:
        return ok("schema", "the newest")
    return fail("schema", "older than this program", fix="run volley migrate")


def _embedded(check: str, product: str, version: Callable[[], str]) -> Finding:
    """Whether an embedded server could run; it is not started for that."""
    try:
        server_user()
        found = version()
    except Refused as refusal:
        return fail(check, "cannot be embedded here", fix=refusal.message)
    return ok(check, f"embedded {product} ({found}), which volley up starts; not running now")


def _redis(check: str, url: str, *, setting: str) -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(
            url,
            socket_connect_timeout=PATIENCE_SECONDS,
            socket_timeout=PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            asked = clock.unix()
            seconds, microseconds = cast("tuple[int, int]", client.time())
            offset = (asked + clock.unix()) / 2 - (seconds + microseconds / 1e6)
            yield ok(check, "answers")
            yield _clock(offset)
            yield _memory_policy(check, client)
    except (redis.RedisError, ValueError) as error:
        mend = f"start it, or correct {setting}"
        yield fail(check, f"does not answer: {_first_line(error)}", fix=mend)


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


def _broker(url: str) -> Finding:
    from kombu import Connection

    try:
        with Connection(url, connect_timeout=PATIENCE_SECONDS) as connection:
            connection.connect()
    except Exception as error:  # each transport has errors of its own
        mend = "start it, or correct VOLLEY_BROKER_URL"
        return fail("broker", f"does not answer: {_first_line(error)}", fix=mend)
    return ok("broker", "answers")


def _external(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _word(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
