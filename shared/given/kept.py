"""Secrets that no setting gives: made once, and stored in files that only we can read."""

import os
import secrets
from pathlib import Path


def read(path: Path) -> str | None:
    """The secret in the file; None when the file is missing or unreadable."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def secret(path: Path) -> str:
    """The random secret in the file (0600); the first process that asks makes it."""
    if known := read(path):
        return known
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        os.link(made, path)  # fails when another process was first; never a half-written secret
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return path.read_text().strip()
