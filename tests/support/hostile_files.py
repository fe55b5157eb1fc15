"""Files that strangers make to hurt whoever reads them, by what is odd about them.

Each is made of `size` times the same, which takes a mebibyte or some.
"""

from collections.abc import Callable
from typing import Final

from tests.support.workbooks import MAIN, packed, row, xlsx_parts

HEADER: Final = b"phone,name\n"


def _wide(size: int) -> bytes:
    names = b"phone," + b",".join(b"c%d" % n for n in range(999)) + b"\n"
    return names + (b"+12025550100," + b"ab," * 998 + b"ab\n") * (350 * size)


def _alone(address: str, number: int) -> bytes:
    cell = f'<c r="{address}" t="inlineStr"><is><t>1</t></is></c>'
    return packed(xlsx_parts(f'<row r="{number}">{cell}</row>'))


def _bomb(size: int) -> bytes:
    return packed(xlsx_parts(row(1, "phone") + " " * (size * 100 * 1024**2)))


def _repeated_text(size: int) -> bytes:
    cells = "".join(f'<c r="{column}{{n}}" t="s"><v>1</v></c>' for column in "BCD")
    rows = [
        f'<row r="{n}"><c r="A{n}"><v>{12025550000 + n}</v></c>{cells.format(n=n)}</row>'
        for n in range(2, 2 + 300 * size)
    ]
    sheet = row(1, "phone", "b", "c", "d") + "".join(rows)
    strings = f'<sst xmlns="{MAIN}"><si><t>-</t></si><si><t>{"z" * 32_000}</t></si></sst>'
    return packed(xlsx_parts(sheet, strings=strings))


HOSTILE: Final[dict[str, Callable[[int], bytes]]] = {
    "quotes that open and never close": lambda n: HEADER + b'"a\n' * (350_000 * n),
    "quotes that each take a thousand lines": lambda n: HEADER + b'x","x\n' * (20_000 * n),
    "rows of 100 kB": lambda n: (
        HEADER + b"".join(b"+1202555%04d,%s\n" % (i, b"n" * 100_000) for i in range(200 * n))
    ),
    "rows of a million cells": lambda n: HEADER + (b"," * 1_000_000 + b"x\n") * (2 * n),
    "a thousand columns": _wide,
    "rows of one letter": lambda n: b"phone\n" + b"x\n" * (500_000 * n),
    "a line that never ends": lambda n: (
        "phone,name\n".encode("utf-16") + ("a" * (5_000_000 * n)).encode("utf-16-le")
    ),
    "a header of blanks": lambda n: b"phone" + b"," * 900_000 + b"\n" + b"+12025550100\n" * n,
    "one cell at XFD1048576": lambda _: _alone("XFD1048576", 1048576),
    "a workbook that unpacks to a thousand times its size": _bomb,
    "a long text in every cell": _repeated_text,
    "as many files it comes from as rows": lambda n: (
        b"phone,volley_file,volley_row\n" + b"".join(b"1,%064x,1\n" % i for i in range(15_000 * n))
    ),
}
