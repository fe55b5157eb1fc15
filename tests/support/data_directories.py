"""Data directories outside their DATA_DIR, as root's stacks have them, made by any user."""

import os
import time
from pathlib import Path

from deploy.local.data_dirs import ties


def linked(data_dir: Path, real: Path) -> Path:
    """A DATA_DIR and its data directory, which know each other; returns the latter."""
    data_dir.mkdir(parents=True, exist_ok=True)
    real.mkdir(parents=True)
    (data_dir / ties.LINK).symlink_to(real)
    ties.tie(data_dir, real)
    return real


def let_rest(directory: Path, *, days: float = 2) -> None:
    """Make it look as if nothing had been written in it for so long."""
    then = time.time() - days * 86_400
    for place, directories, files in os.walk(directory, topdown=False):
        for name in (*directories, *files):
            os.utime(Path(place) / name, (then, then), follow_symlinks=False)
    os.utime(directory, (then, then))
