"""The name of a process that consumes queues: `worker-1@host` in Flower and in its events."""

import re
from argparse import ArgumentParser, ArgumentTypeError


def takes_name(parser: ArgumentParser, *, default: str) -> None:
    """Add `--name`. The supervisor gives a program the name of the one that it replaces."""
    parser.add_argument(
        "--name",
        type=_name,
        default=default,
        help="what Flower calls it, before @host: the same after a restart, and that of no other "
        "process of this host (default: %(default)s, from its pid)",
    )


def _name(word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", word):
        raise ArgumentTypeError(f"{word!r} is no name: use letters, digits, '.', '_' and '-'")
    return word
