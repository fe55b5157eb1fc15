"""What `volley check` remembers of the accepted rows: a few examples, and what they would save."""

import re
from typing import Final

from scheduler.ingest import Accepted
from shared.domain.segments import Encoding, measure
from shared.domain.wording import parts_of

#: A `{word}` in a value, left there by whatever filled the file in.
_BRACES: Final = re.compile(r"\{\s*[^\W\d][^{}]{0,40}\}")


class Noticed:
    """Looks at every accepted row once, in flat memory.

    `first` and `longest` are rows (`longest` by segments, then by characters), `accented` a row's
    number and a value of it that is not ASCII, `smart_segments` what all texts cost with smart
    encoding. `braced` counts the rows whose texts take a `{word}` from their values; the first one
    is `braced_row`, its value `braced_value`.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        """`columns` are those whose values the message takes."""
        self._columns = columns
        self.first: Accepted | None = None
        self.longest: Accepted | None = None
        self.accented: tuple[int, str] | None = None
        self.smart_segments = 0
        self.braced = 0
        self.braced_row = 0
        self.braced_value = ""

    def see(self, row: Accepted) -> None:
        """Remember what is worth it of one more row."""
        self.first = self.first or row
        if self.accented is None:
            accented = next((v for v in row.fields.values() if not v.isascii()), None)
            self.accented = (row.row, accented) if accented else None
        self.smart_segments += _smart(row)
        if row.body is not None:
            if self.longest is None or _length(row) > _length(self.longest):
                self.longest = row
            if "{" in row.body:
                self._see_braces(row)

    def _see_braces(self, row: Accepted) -> None:
        values = (row.fields.get(column, "") for column in self._columns)
        value = next(filter(_BRACES.search, values), None)
        if value is not None and not self.braced:
            self.braced_row, self.braced_value = row.row, value
        self.braced += value is not None


def _length(row: Accepted) -> tuple[int, int]:
    return row.segments, len(row.body or "")


def _smart(row: Accepted) -> int:
    if row.encoding != Encoding.UCS2 or row.body is None:
        return row.segments
    parts = parts_of(row.body, row.cuts)
    return sum(measure(part, smart_encoding=True).segments for part in parts)
