"""Errors in settings, each as one line that does not quote the value."""

import sys
from types import TracebackType
from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong with one setting, in words that do not quote its value, and what to do."""

    setting: str
    says: str
    fix: str = "correct it, or remove it"

    def __str__(self) -> str:
        what = f"{self.setting}: {self.says}" if self.setting else self.says
        return f"{what}; {self.fix}"


class UnusableSettings(ValueError):
    """Settings that cannot be used. Its text is one line: the first fault, and what to do.

    A program that does not catch it ends with that line instead of a traceback.
    """

    def __init__(self, faults: list[Fault]) -> None:
        more = f" ({len(faults) - 1} more: volley doctor shows all)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = faults
        end_in_a_line(UnusableSettings)


def end_in_a_line(*kinds: type[BaseException]) -> None:
    """Print only the text, and no traceback, when one of these errors ends the process."""

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, kinds):
            sys.stderr.write(f"volley: {error}\n")
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = told
