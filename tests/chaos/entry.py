"""A worker that dies at an exact point of its work, patched in here and nowhere in the product.

`python -m tests.chaos.entry --die-at POINT --after N --queues send`: a real worker process that
ends like `kill -9` when it comes to POINT with its Nth message.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final
from unittest import mock

from shared.ledger import claim
from shared.ledger.evidence import Evidence
from worker import app
from worker.send import engine
from worker.send.calls import Calls
from worker.send.engine import Engine
from worker.send.recorder import Recorder

DEAD: Final = 9
Patch = Any


class Fuse:
    """Counts messages, and ends the process at the one it was set for."""

    def __init__(self, messages: int) -> None:
        self._left = messages

    def burn(self, messages: int) -> None:
        """So many more have come to the point."""
        self._left -= messages
        if self._left <= 0:
            os._exit(DEAD)


def _before_the_claim_commits(fuse: Fuse) -> Patch:
    real = claim.claim

    def claiming(*given: Any, **more: Any) -> Any:
        claimed, refused = real(*given, **more)
        fuse.burn(len(claimed))
        return claimed, refused

    return mock.patch.object(engine, "claim", claiming)


def _after_the_claim(fuse: Fuse) -> Patch:
    def burn(claims: Any) -> None:
        fuse.burn(len(claims[0]))

    return _after(Engine, "_claim_in_thread", burn)


def _in_mid_call(fuse: Fuse) -> Patch:
    return _after(Calls, "_wrote", lambda _: fuse.burn(1))


def _before_the_record(fuse: Fuse) -> Patch:
    real = Recorder.put

    def put(recorder: Recorder, outcome: Any, *given: Any, **more: Any) -> None:
        fuse.burn(isinstance(outcome, Evidence))
        real(recorder, outcome, *given, **more)

    return mock.patch.object(Recorder, "put", put)


def _after_the_record(fuse: Fuse) -> Patch:
    return _after(Recorder, "_record", lambda _: fuse.burn(1))


POINTS: Final[Mapping[str, Callable[[Fuse], Patch]]] = {
    "before-the-claim-commits": _before_the_claim_commits,
    "after-the-claim": _after_the_claim,
    "in-mid-call": _in_mid_call,
    "before-the-record": _before_the_record,
    "after-the-record": _after_the_record,
}


def main() -> None:
    """Be a worker until the fuse has burnt down."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.entry")
    parser.add_argument("--die-at", choices=POINTS, required=True)
    parser.add_argument("--after", type=int, required=True)
    chosen, rest = parser.parse_known_args()
    with ExitStack() as patched:
        patched.enter_context(POINTS[chosen.die_at](Fuse(chosen.after)))
        app.main(rest)


def _after(owner: type, name: str, then: Callable[[Any], None]) -> Patch:
    """That method, and then this with what it returned."""
    real = getattr(owner, name)

    def wrapped(*given: Any, **more: Any) -> Any:
        result = real(*given, **more)
        then(result)
        return result

    return mock.patch.object(owner, name, wrapped)


if __name__ == "__main__":
    main()
