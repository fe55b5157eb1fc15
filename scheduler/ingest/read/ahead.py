"""Where a cell that a quotation mark left open comes to its end: looked up, and not read again.

A line that begins within a cell ends within one, or outside of any, or spoils the record; which of
them does not depend on where the cell was opened. So all lines between a record that found no end
and the line that decided it have the same fate: whichever of them leaves a cell open, its record
would meet that very line.
"""

import csv
import re
from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Final


class Fate(Enum):
    """How a record ends that is open all the way."""

    CLOSED = auto()
    SPOILED = auto()


class Ahead:
    """What is known of the lines behind a record that found no end.

    `line` is the number of the first of them that does not begin and end within a cell, as far as
    was looked, and `offset` the number of characters before it, both from the text's start; `fate`
    is what that line makes of a record that is still open, None where it was not looked at.
    """

    def __init__(self, record: Sequence[str], delimiter: str, *, line: int, offset: int) -> None:
        """`record` are the lines that were read for it, of which the first leaves a cell open;
        that one is the text's line `line`, behind `offset` characters.
        """
        self._delimiter = delimiter
        self._held = 0
        self.fate: Fate | None = None
        self.line, self.offset = line, offset
        first, *others = record
        # As behind a cell that a line before it left open, and this one closes at once.
        self._pass(first, f'"{delimiter}{first}')
        for other in others:
            self.look(other)

    def look(self, line: str) -> None:
        """Look at the line `self.line`, if that is not done yet; "" at the text's end."""
        if self.fate is None:
            self._pass(line, line)

    def _pass(self, line: str, text: str) -> None:
        held = _held_behind(text, self._delimiter, self._held) if text else Fate.SPOILED
        if isinstance(held, Fate):
            self.fate = held
        else:
            self._held = held
            self.line += 1
            self.offset += len(line)


def _held_behind(line: str, delimiter: str, held: int) -> int | Fate:
    """How many characters the cell holds that is open at the line's end, or that none is.

    The line begins within a cell that holds `held`. Ends as csv.reader does, when it is strict.
    """
    most = csv.field_size_limit()
    bare = _bare(delimiter)
    at = 0
    while True:
        inside = _INSIDE.match(line, at)
        end = inside.end() if inside else at
        held += end - at - line.count('""', at, end)
        if held > most:
            return Fate.SPOILED
        if end == len(line):
            return held
        between = bare.match(line, end)
        if between is None:
            return Fate.SPOILED
        cells = between[0]
        if len(cells) > most and max(map(len, cells.split(delimiter))) > most:
            return Fate.SPOILED
        if not between[1]:
            return Fate.CLOSED
        at, held = between.end(), 0


_INSIDE: Final = re.compile('(?:[^"]|"")*+')


@lru_cache
def _bare(delimiter: str) -> re.Pattern[str]:
    """From a closing mark to the next cell's opening one, or to the line's end."""
    end = re.escape(delimiter)
    # Not possessive: up to Python 3.11.4 a possessive group around a repetition matches wrongly
    # (CPython issue 106052). It is linear all the same: no cell can be divided in two ways.
    return re.compile(f'"(?:{end}(?!")[^{end}\r\n]*)*(?:({end}")|[\r\n]*\\Z)')
