"""Check the server addresses in settings before anything connects.

No message quotes an address: it contains the password, and in a malformed address nobody can tell
where the password stands.
"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

#: The drivers' names in front of a Postgres address; the first is the usual one.
_POSTGRES: Final = ("postgresql", "postgresql+psycopg", "postgres")
_REDIS: Final = ("redis", "rediss")
_BROKERS: Final = (*_REDIS, "amqp", "amqps", "pyamqp")
_WEB: Final = ("http", "https")
#: Other schemes that people try. A word outside this list may be a secret: no message quotes it.
_TRIED: Final = (
    *("mysql", "mysql+pymysql", "mariadb", "mssql", "oracle", "sqlite", "mongodb", "cockroachdb"),
    *("postgresql+asyncpg", "postgresql+psycopg2", "postgresql+pg8000", "redis+socket", "unix"),
    *("valkey", "valkeys", "memcached", "memory", "kafka", "sqs", "nats", "mqtt", "ftp", "tcp"),
)
_KNOWN: Final = {*_POSTGRES, *_BROKERS, *_WEB, *_TRIED}
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.ASCII)
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: The options that redis-py accepts after the question mark; others raise TypeError.
_REDIS_OPTIONS: Final = re.compile(
    r"(ssl_|socket_)\w{1,40}|db|protocol|client_name|max_connections|health_check_interval"
    r"|retry_on_timeout",
    re.ASCII,
)
_ENCODE: Final = "a / ? # @ or % in a password is written as %2F %3F %23 %40 or %25"


def postgres(address: str) -> str:
    """The address of a Postgres, as every library reads it. Raises ValueError, without quoting it.

    `postgres://` becomes `postgresql://`.
    """
    example = "postgresql://user:password@host/database"
    scheme, parts = _taken_apart(address, schemes=_POSTGRES, example=example)
    options = _options(parts)
    if not parts.hostname and not parts.path.strip("/") and "host" not in options:
        raise ValueError(f"it names neither a host nor a database: write {example}")
    return _POSTGRES[0] + _rest(address) if scheme == "postgres" else scheme + _rest(address)


def redis(address: str) -> str:
    """The address of a Redis or Valkey. Raises ValueError, without quoting it."""
    example = "redis://:password@host:6379/0"
    scheme, parts = _taken_apart(address, schemes=_REDIS, example=example)
    return _redis(scheme, parts, address, example=example)


def broker(address: str) -> str:
    """The address of a Redis or a RabbitMQ. Raises ValueError, without quoting it."""
    example = "redis://:password@host:6379/0 or amqp://user:password@host:5672/vhost"
    scheme, parts = _taken_apart(address, schemes=_BROKERS, example=example)
    if scheme in _REDIS:
        return _redis(scheme, parts, address, example=example)
    _require_host(parts, example=example)
    _options(parts)
    return scheme + _rest(address)


def web(address: str) -> str:
    """An http(s) address without a slash at its end. Raises ValueError, without quoting it."""
    example = "https://sms.example.org"
    scheme, parts = _taken_apart(address, schemes=_WEB, example=example)
    _require_host(parts, example=example)
    if parts.query:
        raise ValueError(f"there is a ? in it, and paths are added at its end: write {example}")
    return scheme + _rest(address).rstrip("/")


def without_password(text: str, address: str) -> str:
    """A library's `text` about `address`, without the password and without the address."""
    password = urlsplit(address).password
    hidden = {address, password, unquote(password)} if password else {address}
    for secret in sorted(hidden, key=len, reverse=True):
        # a password such as "a" is in every sentence: masking it would reveal it
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text


def _taken_apart(
    address: str, *, schemes: Collection[str], example: str
) -> tuple[str, SplitResult]:
    """The scheme in lower case, and the parts. Raises ValueError unless all are well formed."""
    if not address.isprintable() or " " in address:
        raise ValueError("there is a blank or an invisible character in it")
    before, separator, _ = address.partition("://")
    scheme = before.lower()
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError(f"it is no address: write {example}")
    if scheme not in schemes:
        told = f"{scheme}://" if scheme in _KNOWN else "what stands before the ://"
        raise ValueError(f"{told} is not understood here: write {example}")
    try:
        parts = urlsplit(scheme + _rest(address))
        usable = parts.port != 0
    except ValueError:  # its sentence quotes a part
        usable = False
    if not usable:
        raise ValueError(f"its host or port is wrong, a port is 1 to 65535 ({_ENCODE})")
    if address.count("@") > 1 or "@" in parts.path + parts.query or _BROKEN_ESCAPE.search(address):
        raise ValueError(f"its password is not written as addresses need it: {_ENCODE}")
    if "#" in address:
        raise ValueError(f"there is a # in it: {_ENCODE}")
    return scheme, parts


def _redis(scheme: str, parts: SplitResult, address: str, *, example: str) -> str:
    _require_host(parts, example=example)
    number = parts.path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError("what follows the host is no number of a Redis database, such as /0")
    if not all(map(_REDIS_OPTIONS.fullmatch, _options(parts))):
        raise ValueError(f"there is an unknown option behind the ? in it: write {example}")
    return scheme + _rest(address)


def _options(parts: SplitResult) -> list[str]:
    """The names behind the question mark."""
    try:
        return [name for name, _ in parse_qsl(parts.query, strict_parsing=bool(parts.query))]
    except ValueError as error:  # its sentence quotes a part
        raise ValueError(f"what follows the ? in it is not name=value ({_ENCODE})") from error


def _require_host(parts: SplitResult, *, example: str) -> None:
    if not parts.hostname:
        raise ValueError(f"it names no host: write {example}")


def _rest(address: str) -> str:
    return "://" + address.partition("://")[2]
