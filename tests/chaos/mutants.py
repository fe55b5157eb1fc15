"""Volley without one of its guards: what the promise stands on, taken away on purpose.

Patched into the process that asks for it, never a switch in the product. A harness that cannot see
a missing guard proves nothing, so for each of these a test asserts that its scenario breaks.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any, Final
from unittest import mock

from sqlalchemy import text

from scheduler.repair.reconcile import Witness
from shared.ledger import claim, record
from shared.ledger import due as lanes
from shared.providers.twilio import callbacks
from worker.send.calls import Calls

Patch = contextlib.AbstractContextManager[Any]


def _claims_whatever_it_is_hinted() -> list[Patch]:
    due = "m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'"
    whatever = {due: "m.status IN ('ready', 'sending')"}
    return [_reworded(claim, name, whatever) for name in ("CLAIM", "CLAIM_WITH_LIMITS")]


def _returns_under_any_token() -> list[Patch]:
    newest = "a.token = (SELECT token FROM message WHERE message.id = held.id)"
    changes = {"m.token = g.token AND ": "", "a.token = held.token": newest}
    return [_reworded(record, "_RETURN", changes)]


def _takes_absence_for_proof() -> list[Patch]:
    return [mock.patch.object(Witness, "proves_absence_of", lambda *_: True)]


def _writes_however_late() -> list[Patch]:
    return [mock.patch.object(Calls, "_gate", lambda *_: None)]


def _never_hints_again() -> list[Patch]:
    hint = lanes.hint

    def once(*given: Any, stale: timedelta, **more: Any) -> Any:
        return hint(*given, stale=stale + timedelta(days=1), **more)

    return [mock.patch.object(lanes, "hint", once)]


def _believes_any_callback() -> list[Patch]:
    def unread(url: str, headers: Mapping[str, str], *, body: bytes, tokens: object) -> Any:
        return callbacks._params(headers, body)[0]

    return [mock.patch.object(callbacks, "verify", unread)]


MUTANTS: Final[Mapping[str, Callable[[], list[Patch]]]] = {
    "no claim guard": _claims_whatever_it_is_hinted,
    "no token check": _returns_under_any_token,
    "no witness": _takes_absence_for_proof,
    "no fence": _writes_however_late,
    "no sweep": _never_hints_again,
    "no signature": _believes_any_callback,
}


@contextlib.contextmanager
def without_guard(name: str) -> Iterator[None]:
    """This process is that mutant while the block runs."""
    with contextlib.ExitStack() as patched:
        for patch in MUTANTS[name]():
            patched.enter_context(patch)
        yield


def _reworded(module: ModuleType, name: str, changes: Mapping[str, str]) -> Patch:
    """A statement of the product with other words, however its lines are broken; what is not there
    exactly once is an error.
    """
    words = str(getattr(module, name).text)
    for old, new in changes.items():
        there = re.compile(r"\s+".join(map(re.escape, old.split())))
        words, changed = there.subn(new.replace("\\", r"\\"), words)
        assert changed == 1, f"{module.__name__}.{name} says {changed} times {old!r}"
    return mock.patch.object(module, name, text(words))
