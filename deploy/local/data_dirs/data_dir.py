"""Where the local stack keeps things, and who may touch them.

    DATA_DIR/            ours alone (0700): api_key, secret_key, other passwords
        run/             what runs now: the lock, ps.json, stack.json
        logs/            one file per program
        servers/         the embedded servers' data, kept for good

Postgres will not run as root. So when root starts us, `servers` is a link to a directory of root's
under /var/lib/volley, whose `postgres` and `valkey` belong to `nobody`, and the programs are copied
beside it, since `nobody` may not be able to read the environment they were installed in. No user is
made and no permission of a directory that was there before is changed. The two directories know
each other by an id (ties.py), so that one whose DATA_DIR is gone can be found (leftovers.py).
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.data_dirs import marks, ties
from deploy.local.system.child_process import User
from shared.errors import Refused

#: Where root keeps what `nobody` must reach. /var/tmp is second: some systems clean it.
ROOT_PLACES = (Path("/var/lib/volley"), Path("/var/tmp/volley"))
#: How the data directories there begin.
DATA_PREFIX = "servers-"
#: The demo's own DATA_DIR, in the configured one.
DEMO = "demo"


@dataclass(frozen=True)
class Places:
    """The directories of one stack; they exist."""

    data_dir: Path
    servers: Path
    #: Who the servers run as; None: as ourselves.
    user: User | None

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def metrics(self) -> Path:
        """Where the stack's processes count together."""
        return self.run / "metrics"

    def secret(self, name: str) -> str:
        """A random secret that is made on first use, in a file of ours alone."""
        return kept_secret(self.data_dir / name)


def places(data_dir: Path, *, made_for: str | None = None) -> Places:
    """The places of this DATA_DIR; makes missing ones. Raises Refused with the fix.

    `made_for` marks what is made here as throwaway, of runs of that kind (marks.py).
    """
    data_dir = data_dir.absolute()
    try:
        _make(data_dir, mode=0o700)
        if made_for:
            marks.put(data_dir, made_for)
        _make(data_dir / "run", mode=0o700)
        _make(data_dir / "logs", mode=0o700)
        return Places(data_dir, servers=_servers(data_dir), user=server_user())
    except PermissionError as error:
        raise Refused(
            "data_dir_unusable",
            f"{error.filename} is not ours to write: run as its owner, or set VOLLEY_DATA_DIR.",
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(
            "data_dir_unusable",
            f"VOLLEY_DATA_DIR ({data_dir}) is no directory: set it to one that is ours to write.",
        ) from error
    except OSError as error:
        where = error.filename or data_dir
        raise Refused(
            "data_dir_unusable",
            f"VOLLEY_DATA_DIR: {where} cannot be written ({error.strerror}): make room there, or "
            "set it to a directory that is ours to write.",
        ) from error


def server_user() -> User | None:
    """Who the embedded servers run as: `nobody` if we are root. Raises Refused if unknown."""
    uid = os.geteuid()
    try:
        if uid != 0:
            pwd.getpwuid(uid)
            return None
        found = pwd.getpwnam("nobody")
    except KeyError as error:
        who = "user 'nobody'" if uid == 0 else f"user id {uid}"
        raise Refused(
            "no_server_user",
            f"The {who} has no entry in /etc/passwd, which Postgres needs: "
            "set VOLLEY_DATABASE_URL and VOLLEY_REDIS_URL to servers of yours.",
        ) from error
    return User(uid=found.pw_uid, gid=found.pw_gid)


def root_place() -> Path:
    """A directory of root's that other users can pass through but not write (made if missing)."""
    for place in ROOT_PLACES:
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
            if _safe_for_root(place):
                return place
    raise Refused(
        "no_root_place",
        f"Root needs {ROOT_PLACES[0]} for the embedded servers, readable to all and writable to "
        "root alone: fix it, run as an ordinary user, or set VOLLEY_DATABASE_URL and "
        "VOLLEY_REDIS_URL.",
    )


def own_directory(path: Path, user: User | None) -> None:
    """Make a directory (0700) that belongs to the servers' user."""
    path.mkdir(mode=0o700, exist_ok=True)
    if user is not None and path.stat().st_uid != user.uid:
        os.chown(path, user.uid, user.gid)  # in a directory that only root can write


def readable_file(path: Path, text: str, *, user: User | None) -> None:
    """Write a file that the servers' user can read and only we can change."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if user is not None:
        os.chown(new, 0, user.gid)
        new.chmod(0o640)
    new.replace(path)


def _random_secret() -> str:
    return secrets.token_urlsafe(24)


def kept_secret(path: Path, *, make: Callable[[], str] = _random_secret) -> str:
    """The secret in a file that only we can read; made at the first call."""
    if not path.exists():
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        readable_file(new, make() + "\n", user=None)
        with contextlib.suppress(FileExistsError):  # another process was first: its secret counts
            path.hardlink_to(new)
        new.unlink()
    return path.read_text().strip()


@contextlib.contextmanager
def locked(path: Path, *, otherwise: Refused) -> Iterator[None]:
    """Keep the file locked while the block runs; raise `otherwise` if another process locks it.

    The kernel releases the lock when the process dies in any way; children do not inherit it.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise otherwise from None
        yield


def discard(data_dir: Path) -> None:
    """Remove a stack's data for good, wherever it lies. Nothing of it may be running."""
    link = data_dir.absolute() / ties.LINK
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def _servers(data_dir: Path) -> Path:
    servers = data_dir / ties.LINK
    if servers.is_symlink() and not servers.exists():
        raise Refused(
            "servers_gone",
            f"{servers} points to {servers.readlink()}, which is gone: bring it back, or remove "
            "the link to begin with empty databases.",
        )
    if not os.path.lexists(servers):
        _make_servers(servers)
    if servers.lstat().st_uid != os.geteuid():
        owner = servers.lstat().st_uid
        raise Refused(
            "data_dir_of_another",
            f"{data_dir} was made by user id {owner}: run as that user, or set VOLLEY_DATA_DIR.",
        )
    real = servers.resolve()
    if servers.is_symlink():
        ties.tie(data_dir, real)
    return real


def _make_servers(servers: Path) -> None:
    if os.geteuid() != 0:
        servers.mkdir(mode=0o700)
        return
    real = Path(tempfile.mkdtemp(prefix=DATA_PREFIX, dir=root_place()))
    real.chmod(0o755)
    marks.hand_on(servers.parent, real)
    ties.tie(servers.parent, real)
    servers.symlink_to(real)


def _make(path: Path, *, mode: int) -> None:
    if not path.is_dir():
        path.mkdir(mode=mode, parents=True, exist_ok=True)


def _safe_for_root(place: Path) -> bool:
    own = place.lstat()
    ours = stat.S_ISDIR(own.st_mode) and own.st_uid == 0 and not own.st_mode & 0o022
    return ours and all(above.stat().st_mode & stat.S_IXOTH for above in (place, *place.parents))
