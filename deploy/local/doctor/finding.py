"""The result of a check of `volley doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    check: str
    verdict: Verdict
    says: str
    #: What to do about it; "" when there is nothing to do.
    fix: str = ""

    def sentence(self) -> str:
        """All of it on one line, for callers that show no report."""
        return (
            f"{self.check}: {self.says}; {self.fix}" if self.fix else f"{self.check}: {self.says}"
        )


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, says)


def warn(check: str, says: str, *, fix: str) -> Finding:
    """It works, but a person should look."""
    return Finding(check, Verdict.WARN, says, fix)


def fail(check: str, says: str, *, fix: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAIL, says, fix)
