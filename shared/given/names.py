"""Find VOLLEY_ names in the environment or in a .env file that are not settings."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

PREFIX: Final = "VOLLEY_"
#: Similarity (0 to 1) from which one name counts as a misspelling of the other.
MEANT: Final = 0.6
#: Names that other programs use for the servers.
_SAME: Final = {
    "DB": "DATABASE",
    "PG": "DATABASE",
    "POSTGRES": "DATABASE",
    "POSTGRESQL": "DATABASE",
    "VALKEY": "REDIS",
    "RABBITMQ": "BROKER",
    "AMQP": "BROKER",
}
#: Kubernetes gives these to every container when a service is called volley.
_KUBERNETES: Final = re.compile(r"VOLLEY(_[A-Z0-9]{1,40}){0,5}_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?")
_KUBERNETES_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
_KUBERNETES_PORT: Final = re.compile(r"VOLLEY_\w{0,80}PORT_\d{1,5}_(TCP|UDP|SCTP)(_[A-Z]+)?")


def read_file(path: Path) -> dict[str, str]:
    """NAME=value of a .env file; empty when the file is missing.

    Raises ValueError, which quotes no line, when the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            lines = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: save it as that") from error
    wrong = next((line.original.line for line in lines if line.error), None)
    if wrong is not None:
        raise ValueError(f"line {wrong} of {path} is not NAME=value: fix it, or put a # before it")
    return {line.key: line.value for line in lines if line.key and line.value}


def unknown(given: Mapping[str, str], known: Collection[str]) -> dict[str, str | None]:
    """VOLLEY_ names that are not settings, each with the most similar setting, or None.

    `given` maps names to values; names without a value are ignored.
    """
    names = sorted(name for name, value in given.items() if value and not _of_others(name, value))
    strange = [name for name in names if name.upper() not in known]
    return {name: nearest(name, known) for name in strange}


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like this one."""
    bare = {right.removeprefix(PREFIX): right for right in known}
    words = name.upper().removeprefix(PREFIX).split("_")
    meant = "_".join(_SAME.get(word, word) for word in words)
    found = get_close_matches(meant, bare, n=1, cutoff=MEANT)
    return bare[found[0]] if found else None


def _of_others(name: str, value: str) -> bool:
    if not name.upper().startswith(PREFIX):
        return True
    return bool(
        _KUBERNETES.fullmatch(name)
        or _KUBERNETES_PORT.fullmatch(name)
        or (name.endswith("_PORT") and _KUBERNETES_ADDRESS.match(value))
    )
