"""Wait for what other threads and processes bring about: the tests' only such loops."""

import asyncio
import inspect
import linecache
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Stands for "anything that counts as true".
_TRUE: Final = object()
#: Seconds that it is waited for; whoever knows better says so.
PATIENCE: Final = 10.0


class TooLate(AssertionError):
    """It was waited for long enough, and not seen."""


def eventually(
    look: Callable[[], T],
    what: str | None = None,
    *,
    becomes: object = _TRUE,
    seconds: float = PATIENCE,
    every: float = 0.01,
    despite: tuple[type[Exception], ...] = (),
    log: Path | None = None,
) -> T:
    """Look until what is seen equals `becomes` (unless given: is true); returns what was seen.

    After so many seconds it raises TooLate, which says what was waited for (`what`, else
    the waiting line), what was seen last, and the end of that log. A look that raises one of
    `despite` saw nothing yet; any other error goes on to the caller.
    """
    wait = _Wait(look, what, becomes, seconds, despite, log)
    while not wait.over():
        time.sleep(every)
    return wait.seen


def ever(
    look: Callable[[], object], *, becomes: object = _TRUE, seconds: float, every: float = 0.01
) -> bool:
    """Whether it ever becomes so within these seconds: for what may, or must not."""
    try:
        eventually(look, becomes=becomes, seconds=seconds, every=every)
    except TooLate:
        return False
    return True


async def until(
    look: Callable[[], T],
    what: str | None = None,
    *,
    becomes: object = _TRUE,
    seconds: float = PATIENCE,
    every: float = 0.002,
) -> T:
    """`eventually` inside an event loop, which goes on turning meanwhile."""
    wait = _Wait(look, what, becomes, seconds, (), None)
    while not wait.over():
        await asyncio.sleep(every)
    return wait.seen


class _Wait:
    """One wait: looks once at each call of `over`."""

    seen: Any = None

    def __init__(
        self,
        look: Callable[[], object],
        what: str | None,
        becomes: object,
        seconds: float,
        despite: tuple[type[Exception], ...],
        log: Path | None,
    ) -> None:
        self._look, self._becomes, self._despite, self._log = look, becomes, despite, log
        self._what, self._seconds = what or _words(look), seconds
        self._end = time.monotonic() + seconds

    def over(self) -> bool:
        """Whether it was seen; raises if the time is over."""
        late = time.monotonic() > self._end  # asked first: there is always one look after the end
        try:
            self.seen = self._look()
        except self._despite as error:
            self.seen = error
        else:
            if self.seen if self._becomes is _TRUE else self.seen == self._becomes:
                return True
        if late:
            raise TooLate(self._complaint())
        return False

    def _complaint(self) -> str:
        wanted = "" if self._becomes is _TRUE else f" to become {self._becomes!r}"
        said = f"waited {self._seconds:g} s for {self._what}{wanted}; seen last: {self.seen!r}"
        return f"{said}\n{self._log.read_text(errors='replace')[-4000:]}" if self._log else said


def _words(look: Callable[[], object]) -> str:
    """The line that a lambda stands on, or what anything else is called."""
    if isinstance(look, FunctionType) and look.__name__ == "<lambda>":
        code = look.__code__
        return linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return getattr(inspect.unwrap(look), "__qualname__", repr(look))
