"""What a row says: this person has opted out, has not, or nobody can tell."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Says(StrEnum):
    """The three answers. In doubt a row is UNCLEAR: it is told, and a person decides."""

    OUT = "out"
    STAYS = "stays"
    UNCLEAR = "unclear"


class Verdict(NamedTuple):
    """What a row says and why; `column` is where the number is, when it is not the usual one."""

    says: Says
    code: str = ""
    reason: str = ""
    fix: str = ""
    column: int | None = None


class Number(NamedTuple):
    """A number to suppress as it is written in a row, and why if the file says it.

    `read` gives it in E.164 where other cells of the row have a say in it, or raises PhoneError.
    """

    row: int
    number: str
    why: str | None = None
    read: Callable[[], str] | None = None


class LeftOut(NamedTuple):
    """A row that says that nobody is to be suppressed."""

    row: int
    code: str
    reason: str


class Unreadable(NamedTuple):
    """A row of which nobody can tell whether, or which number, it suppresses."""

    row: int
    value: str
    code: str
    reason: str
    fix: str
