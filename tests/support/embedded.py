"""Real Postgres and Valkey for tests: started once, thrown away at the end."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.data_dirs import leftovers, marks, ties
from deploy.local.data_dirs.data_dir import discard
from deploy.local.data_dirs.throwaway import sweep
from deploy.local.data_dirs.ties import Tie
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey

MADE_FOR = "tests"
PREFIX = "volley-"


@dataclass(frozen=True)
class Servers:
    """Where the test servers are: a SQLAlchemy URL and a redis:// URL, passwords included."""

    database_url: str
    redis_url: str


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Both servers, for as long as the block. About a second to start."""
    with running_postgres() as database_url, running_valkey() as redis_url:
        yield Servers(database_url, redis_url)


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """A Postgres of its own; its URL. Its one database is empty and may be a template's base."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def running_valkey() -> Iterator[str]:
    """A Valkey of its own; its URL."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedValkey(data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A DATA_DIR with a short name (sockets need one), removed with all that it points to."""
    with temporary_directory() as parent:
        try:
            yield parent / "data"
        finally:
            discard(parent / "data")


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory that the next run removes if this one is killed."""
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    marks.put(made, MADE_FOR)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep_killed_runs() -> list[Path]:
    """Remove what runs of the tests left that were killed: only what they marked, and only when
    nothing runs on it. Returns what was removed.
    """
    removed = []
    for parent in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        mark = marks.read(parent) if _is_ours(parent) else None
        if mark and mark.kind == MADE_FOR and mark.over() and not _in_use(parent / "data"):
            discard(parent / "data")
            shutil.rmtree(parent, ignore_errors=True)
            removed.append(parent)
    return removed + sweep(MADE_FOR, when=set(Tie))


def left_by_this_run(*places: Path) -> list[Path]:
    """What this run has made and not removed; data directories of a DATA_DIR below `places` too."""
    marked = [*Path(tempfile.gettempdir()).glob(f"{PREFIX}*"), *leftovers.data_directories()]
    ours = [path for path in marked if (mark := marks.read(path)) and mark.pid == os.getpid()]
    owners = {path: ties.owner(path) for path in leftovers.data_directories()}
    return ours + [
        path
        for path, owner in owners.items()
        if owner and any(owner.is_relative_to(place) for place in places)
    ]


def _is_ours(path: Path) -> bool:
    """Whether it is this user's; False if another run has just removed it."""
    with contextlib.suppress(FileNotFoundError):
        return path.lstat().st_uid == os.geteuid()
    return False


def _in_use(data_dir: Path) -> bool:
    return leftovers.is_held(data_dir / "run/lock") or bool(
        leftovers.busy((data_dir / "servers").resolve())
    )
