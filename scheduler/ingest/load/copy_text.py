"""Accepted and rejected rows as lines of COPY's text format, a chunk at a time.

Most columns hold nothing that has to be escaped, for JSON or for COPY, which one look at the whole
column tells; and what all rows have in common is written into the line's pattern.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import Final

import orjson

from scheduler.ingest.check.accepted import AcceptedRows
from scheduler.ingest.rejects import Reject
from shared.domain.country import country_of

RECIPIENTS: Final = "COPY recipient (id, campaign_id, row, phone, country, fields) FROM STDIN"
REJECTS: Final = """
    COPY reject (campaign_id, "row", "column", value, code, reason, fix, cells) FROM STDIN
"""


def recipient_lines(campaign_id: int, ids: Sequence[str], rows: AcceptedRows) -> bytes:
    """For RECIPIENTS: whom to text."""
    line = _Line(len(rows))
    line.values(ids)
    line.put(f"\t{campaign_id}\t")
    line.values(list(map(str, rows.rows)))
    line.put("\t")
    line.values(rows.phones)
    line.put("\t")
    line.values(_countries(rows.phones))
    comma = "\t{"
    for name, column in zip(rows.names, rows.columns, strict=True):
        if name:
            line.put(f"{comma}{_escaped(orjson.dumps(name).decode())}:")
            line.put('"')
            line.values(_each(column, _in_json, special=_SPECIAL_IN_JSON))
            line.put('"')
            comma = ","
    line.put("}\n" if comma == "," else "\t{}\n")
    return line.written()


def message_lines(
    campaign_id: int,
    ids: Sequence[str],
    rows: AcceptedRows,
    *,
    agents: Sequence[str],
    composed: bool,
) -> bytes:
    """For MESSAGES: ready with their words, or planned to get them."""
    line = _Line(len(rows))
    line.values(ids)
    line.put(f"\t{campaign_id}\t")
    line.values(agents)
    line.put("\t")
    line.values(ids)
    if not composed or rows.bodies is None:
        line.put("\tplanned\t\\N\tnow\t\\N\t{}\t\\N\t0\n")
        return line.written()
    line.put("\tready\tnow\t\\N\t")
    line.values(_each(rows.bodies, _escaped, special=_SPECIAL))
    line.put("\t{")
    if rows.cuts:
        line.values([",".join(map(str, rows.cuts.get(row, ()))) for row in rows.rows])
    line.put("}\t")
    line.values(rows.encodings)
    line.put("\t")
    line.values(list(map(str, rows.segments)))
    line.put("\n")
    return line.written()


def reject_lines(campaign_id: int, rejects: Sequence[Reject]) -> bytes:
    """For REJECTS: who is not, and why."""
    if not rejects:
        return b""
    rows, columns, values, codes, reasons, fixes, cells = zip(*rejects, strict=True)
    line = _Line(len(rejects))
    line.put(f"{campaign_id}\t")
    line.values(list(map(str, rows)))
    for words in (columns, values, list(map(str, codes)), reasons, fixes):
        line.put("\t")
        line.values(_each(words, _escaped, special=_SPECIAL))
    line.put("\t")
    line.values(_arrays(cells))
    line.put("\n")
    # Postgres keeps no NUL and no lone surrogate.
    return line.written().replace(b"\x00", "\ufffd".encode())


class _Line:
    """What is the same in every row's line, and between it the values that differ."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._same = ""
        self._pieces: list[Iterable[str]] = []

    def put(self, text: str) -> None:
        """The same in every line."""
        self._same += text

    def values(self, values: Sequence[str]) -> None:
        """One for each line."""
        if values.count(values[0]) == len(values):
            self._same += values[0]
        else:
            self._pieces += (repeat(self._same, self._rows), values)
            self._same = ""

    def written(self) -> bytes:
        """All lines."""
        pieces = zip(*self._pieces, repeat(self._same, self._rows), strict=True)
        return "".join(map("".join, pieces)).encode("utf-8", "replace")


#: For COPY in text format: a backslash, and what ends a value or a line.
_SPECIAL: Final = b"\\\t\n\r"
#: And for a JSON string in it.
_SPECIAL_IN_JSON: Final = bytes(range(32)) + b'"\\'
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _each(column: Sequence[str], write: Callable[[str], str], *, special: bytes) -> Sequence[str]:
    """The column, each value written if any has something special in it."""
    return column if _plain(column, special) else list(map(write, column))


def _plain(values: Iterable[str], special: bytes) -> bool:
    text = "".join(values).encode("utf-8", "replace")
    return len(text.translate(None, special)) == len(text)


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _in_json(value: str) -> str:
    return orjson.dumps(value)[1:-1].decode().replace("\\", "\\\\")


def _arrays(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each a text[] as Postgres writes it."""
    if _plain(chain.from_iterable(rows), _SPECIAL_IN_JSON):
        return ['{"' + '","'.join(cells) + '"}' for cells in rows]
    return [_escaped('{"' + '","'.join(map(_quoted, cells)) + '"}') for cells in rows]


def _quoted(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace('"', '\\"')


def _countries(phones: Sequence[str]) -> list[str]:
    starts = [phone[:4] for phone in phones]  # no calling code is longer
    known = {start: str(country_of(start)) for start in set(starts)}
    return [known[start] for start in starts]
