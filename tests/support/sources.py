"""Our own sources, for tests that read them."""

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "scheduler", "worker", "deploy")
#: Written by Alembic and run once: the house rules are not about them.
GENERATED = "shared/db/migrations/versions/"


def modules() -> Iterator[Path]:
    """Every Python file of the packages that run."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not name(path).startswith(GENERATED):
                yield path


def name(path: Path) -> str:
    """The path as the repository knows it: shared/clock.py."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax tree: one for all who ask, to be read and not to be changed."""
    return ast.parse(path.read_text(), filename=name(path))


@cache
def code(path: Path) -> str:
    """What the file does: its text without comments and strings, a line for a line."""
    kept = [
        token._replace(string='""') if token.type in _WORDS else token
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type != tokenize.COMMENT
    ]
    return tokenize.untokenize((token.type, token.string) for token in kept)


_WORDS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def repository_files() -> list[Path]:
    """Every file that is, or would be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        named = [ROOT / piece for piece in listed.stdout.decode().split("\0") if piece]
    else:  # an archive, without its history
        named = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        ]
    return sorted(path for path in named if path.is_file())
