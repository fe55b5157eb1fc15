"""The application's SQL: every statement under a name, and the steps it is made of."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.sql.elements import TextClause

import scheduler
import shared.ledger
import shared.views
import worker

_ROOMS: Final = (shared.ledger, shared.views, scheduler, worker)
_PLANNED: Final = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_COMMENT: Final = re.compile(r"--[^\n]*")


def named() -> dict[str, TextClause]:
    """Every statement that Postgres can plan, by the module and the name it is first found under;
    one out of several under a name is followed by its key.
    """
    found: dict[str, TextClause] = {}
    for room in _ROOMS:
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not module.name.endswith("__main__"):
                for name, one in _of(vars(importlib.import_module(module.name))):
                    if one not in found.values() and _PLANNED.match(one.text):
                        found[f"{module.name}.{name}"] = one
    return found


def _of(names: Mapping[str, Any]) -> Iterator[tuple[str, TextClause]]:
    for name, value in names.items():
        if isinstance(value, TextClause):
            yield name, value
        elif isinstance(value, Mapping) and not name.startswith("__"):
            for key, one in value.items():
                if isinstance(one, TextClause):
                    yield f"{name}[{key}]", one


def flat(sql: str) -> str:
    """Without comments, with single spaces: the same for two texts that say the same."""
    words = " ".join(_COMMENT.sub(" ", sql).split())
    return re.sub(r"(?<=\() | (?=\))", "", words)


def steps(statement: TextClause) -> dict[str, str]:
    """The CTEs of a statement, flat, by name, each with its MATERIALIZED; the rest is under ""."""
    left = flat(statement.text)
    if not left.startswith("WITH "):
        return {"": left}
    found, left = {}, left.removeprefix("WITH ")
    while head := re.match(r"(\w+) AS (?:(?:NOT )?MATERIALIZED )?\(", left):
        end = _closed(left, head.end())
        found[head[1]] = left[len(head[1]) : end]
        left = left[end:].removeprefix(",").lstrip()
    return found | {"": left}


def _closed(sql: str, start: int) -> int:
    """Behind the bracket that closes the one before `start`; no text of ours has a lone bracket."""
    depth = 1
    for at in range(start, len(sql)):
        depth += (sql[at] == "(") - (sql[at] == ")")
        if depth == 0:
            return at + 1
    raise AssertionError(f"a bracket is never closed: {sql[start - 40 : start + 40]}")
