"""A message with `{column}` placeholders: compiled once, filled in for every row.

`{First Name}`, `{first_name}` and `{FIRSTNAME}` all mean the column `first name`; `{{` and `}}`
write a brace. A value is inserted unchanged: braces inside it have no meaning, so no row can read
another column.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Final

from shared.errors import Refused

#: From a row's cells to its text.
Fill = Callable[[Sequence[str]], str]
#: From the columns of so many rows to their texts.
FillColumns = Callable[[Sequence[Sequence[str]], int], list[str]]


class Template:
    """A message text. Raises Refused: empty_message, unbalanced_brace, empty_placeholder."""

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise Refused("empty_message", "The message is empty. Write what to send.")
        self.text = text
        literals, names = _split(text)
        self._literals = literals
        self._names = names
        first_spelling: dict[str, str] = {}
        for name in names:
            first_spelling.setdefault(key(name), name)
        self.placeholders = tuple(first_spelling.values())
        self._pattern = "%s".join(literal.replace("%", "%%") for literal in literals)
        self._bound: tuple[tuple[str, ...], Fill] | None = None

    def render(self, fields: Mapping[str, str]) -> str:
        """The text for one recipient. Raises Refused unknown_placeholder for a missing column."""
        columns = tuple(fields)
        bound = self._bound
        if bound is None or bound[0] != columns:  # one campaign's recipients have the same columns
            bound = self._bound = (columns, self.bound_to(columns))
        return bound[1](tuple(fields.values()))

    def bound_to(self, columns: Sequence[str]) -> Fill:
        """A fast function from a row's cells, in the order of `columns`, to its text.

        Raises Refused unknown_placeholder, ambiguous_placeholder.
        """
        indexes = self._indexes(columns)
        pattern = self._pattern
        if not indexes:
            text = pattern % ()
            return lambda cells: text
        if len(indexes) == 1:
            only = indexes[0]
            return lambda cells: pattern % (cells[only],)
        values = itemgetter(*indexes)
        return lambda cells: pattern % values(cells)

    def filling_columns(self, columns: Sequence[str]) -> FillColumns:
        """As `bound_to`, for whole columns of values in the order of `columns`. Raises as it."""
        indexes = self._indexes(columns)
        literals = self._literals
        if not indexes:
            return lambda _, rows: ["".join(literals)] * rows

        def fill(values: Sequence[Sequence[str]], _: int) -> list[str]:
            pieces: list[Iterable[str]] = [repeat(literals[0])]
            for index, literal in zip(indexes, literals[1:], strict=True):
                pieces += [values[index], repeat(literal)]
            return list(map("".join, zip(*pieces)))  # noqa: B905  (repeat has no end)

        return fill

    @property
    def literal(self) -> str:
        """The text around the values."""
        return "".join(self._literals)

    def columns_of(self, columns: Sequence[str]) -> tuple[int, ...]:
        """The indexes of the placeholders' columns, each once. Raises as `bound_to`."""
        return tuple(dict.fromkeys(self._indexes(columns)))

    def _indexes(self, columns: Sequence[str]) -> list[int]:
        names = Names(columns)
        found = {name: names.find(name) for name in dict.fromkeys(self._names)}
        return [found[name] for name in self._names]

    def braces_around(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Columns written `{{name}}`, as in other tools: here that sends the name itself."""
        known = {key(column) for column in columns}
        doubled = map(str.strip, _DOUBLED.findall(self.text))
        return tuple(name for name in dict.fromkeys(doubled) if key(name) in known)


_DOUBLED: Final = re.compile(r"\{\{([^{}]++)\}\}")


@lru_cache(maxsize=4096)
def key(name: str) -> str:
    """A column's name for comparison: its letters and digits, without case and punctuation."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum()) or folded.strip()


def find(name: str, columns: Sequence[str], *, called: str = "placeholder") -> int:
    """The index of the column called `name`; for many names use `Names`. Raises as that does."""
    return Names(columns).find(name, called=called)


class Names:
    """The columns of one file by their names, for many look-ups without a search."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._exact: dict[str, list[int]] = {}
        self._alike: dict[str, list[int]] = {}
        for index, column in enumerate(columns):
            self._exact.setdefault(column.strip(), []).append(index)
            if column:
                self._alike.setdefault(key(column), []).append(index)

    def find(self, name: str, *, called: str = "placeholder") -> int:
        """The index of the column called `name`. An exact name wins over a similar one.

        Raises Refused unknown_<called> with the nearest column, ambiguous_<called>,
        duplicate_columns.
        """
        columns = self._columns
        alike = self._exact.get(name.strip()) or self._alike.get(key(name), [])
        if len(alike) == 1:
            return alike[0]
        refuse_twins(columns, alike)
        if alike:
            fitting = [columns[index] for index in alike]
            raise Refused(
                f"ambiguous_{called}",
                f"{_written(name, called)} fits several columns: {_listed(fitting)}. "
                "Write the name exactly.",
                details={"name": name, "columns": fitting[:_SHOWN]},
            )
        raise _unknown(name, [column for column in columns if column], called=called)


def refuse_twins(columns: Sequence[str], among: Iterable[int]) -> None:
    """Raise Refused duplicate_columns if a column in use shares its name with another one.

    `among` are the indexes in use; other columns with equal names do no harm.
    """
    seen: dict[str, int] = {}
    for index in among:
        name = columns[index].strip()
        before = seen.setdefault(name.casefold(), index)
        if before != index:
            raise Refused(
                "duplicate_columns",
                f"Columns {before + 1} and {index + 1} are both called “{name}”. Rename one.",
                details={"column": name, "positions": [before + 1, index + 1]},
            )


def _unknown(name: str, columns: list[str], *, called: str) -> Refused:
    keys = {key(column): column for column in columns if len(column) <= _NEAR}
    # Only short names are compared: the time grows with the square of their length.
    near = get_close_matches(key(name), keys, n=1, cutoff=0.6) if len(name) <= _NEAR else []
    suggestion = f" Did you mean {_written(keys[near[0]], called)}?" if near else ""
    return Refused(
        f"unknown_{called}",
        f"There is no column for {_written(name, called)}.{suggestion} "
        f"The columns are {_listed(columns)}.",
        details={
            "name": name,
            "columns": columns[:_SHOWN],
            "suggestion": keys[near[0]] if near else None,
        },
    )


_SHOWN: Final = 50
#: Characters of the longest name that is compared with the columns' names.
_NEAR: Final = 60


def _listed(columns: list[str]) -> str:
    shown = ", ".join(columns[:_SHOWN])
    return f"{shown} and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else shown


def _written(name: str, called: str) -> str:
    return f"{{{name}}}" if called == "placeholder" else f"“{name}”"


_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def _split(text: str) -> tuple[list[str], list[str]]:
    """The literals around the placeholders, one more than the placeholders' names."""
    literals, names = [""], []
    for piece in _PIECE.finditer(text):
        if piece[1] is not None:
            names.append(_named(piece[1]))
            literals.append("")
        elif piece[0] in {"{", "}"}:
            raise _unbalanced(text, piece.start())
        else:
            literals[-1] += {"{{": "{", "}}": "}"}.get(piece[0], piece[0])
    return literals, names


def _named(name: str) -> str:
    if not name.strip():
        raise Refused(
            "empty_placeholder",
            "{} names no column. Write the column's name between the braces, such as {first_name}.",
        )
    return name.strip()


def _unbalanced(text: str, at: int) -> Refused:
    near = text[max(0, at - 15) : at + 16].replace("\n", " ")
    return Refused(
        "unbalanced_brace",
        f"The brace {text[at]} at character {at + 1} has no partner: “{near}”. "
        "Write {column} for a value, {{ or }} for a brace itself.",
        details={"position": at + 1},
    )
