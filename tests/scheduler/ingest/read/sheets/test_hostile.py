"""Workbooks made to hurt: each is refused or read, in little memory, whatever it claims to be."""

import io
import struct
import sys
import zipfile
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from tests.support.bounded import read_bounded
from tests.support.workbooks import MAIN, formats, ods_parts, ods_row, ods_table, packed, row
from tests.support.workbooks import xlsx_parts as parts_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")

#: MiB; a workbook of a few rows takes about 2.
FEW, MANY = 20, 40

HEADER = row(1, "phone", "name")
LIST = HEADER + row(2, "+15551230000", "Ana")
SHEET = "xl/sheets/1.xml"
SHARED = '<row r="2"><c r="A2" t="s"><v>{}</v></c></row>'
STRINGS = f'<sst xmlns="{MAIN}"><si><t>1</t></si></sst>'
BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {x} "{f"&{y};" * 10}">' for x, y in zip("bcdefghi", "abcdefgh", strict=True)
    )
    + "]>"
)


def text_cell(address: str, text: str = "x") -> str:
    return f'<c r="{address}" t="inlineStr"><is><t>{text}</t></is></c>'


def alone(address: str) -> bytes:
    number = address.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return packed(parts_of(f'<row r="{number}">{text_cell(address)}</row>'))


def with_part(name: str, content: chain[Any] | str | bytes, **more: str) -> bytes:
    return packed(parts_of(LIST, **more) | {name: content})


def sheet_of(start: str, piece: str, times: int, end: str = "") -> chain[Any]:
    """A sheet that holds one piece very often."""
    head = f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{start}'
    return chain([head.encode()], repeat(piece.encode(), times), [end.encode()])


def in_a_row(xml: str, number: int | str = 2) -> bytes:
    return packed(parts_of(f'{HEADER}<row r="{number}">{xml}</row>'))


def ods(rows: str) -> bytes:
    return packed(ods_parts(ods_table(ods_row("phone", "name") + rows)))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def spoiled(content: bytes) -> bytes:
    """A byte in the middle of the sheet's packed text is another."""
    at = content.index(SHEET.encode()) + 100
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def lying(content: bytes) -> bytes:
    """The list of parts says that the sheet unpacks to 10 bytes."""
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(SHEET.encode()))
    return content[: entry + 24] + struct.pack("<I", 10) + content[entry + 28 :]


def locked(content: bytes) -> bytes:
    """The sheet is marked as encrypted."""
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(SHEET.encode()))
    return content[: entry + 8] + b"\x01\x00" + content[entry + 10 :]


def otherwise_packed() -> bytes:
    """As good as any, but for a way of packing that swells without bound."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in parts_of(LIST).items():
            archive.writestr(name, content)  # type: ignore[arg-type]
    return out.getvalue()


def pressed(strings: list[bytes] | chain[Any] | str, rows: str = "") -> bytes:
    return packed(parts_of(HEADER + (rows or SHARED.format(0)), strings=strings))


def without(name: str) -> bytes:
    return packed({key: part for key, part in parts_of(LIST).items() if key != name})


def binary() -> bytes:
    relations = parts_of(LIST)["_rels/.rels"].replace("w.xml", "w.bin")  # type: ignore[arg-type, union-attr]
    return packed({"_rels/.rels": relations, "xl/w.bin": "x"})


def shown_by(code: str, *values: str) -> bytes:
    cells = "".join(f'<c s="1"><v>{value}</v></c>' for value in values)
    return packed(parts_of(f'{HEADER}<row r="2">{cells}</row>', styles=formats(code)))


MEBIBYTE = 1024**2
LONG = "1" * MEBIBYTE
INSIDE = f'{BOMB}<worksheet><sheetData><row><c t="str"><v>&i;</v></c></row></sheetData></worksheet>'
OUTSIDE = '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet/>'
NAMES = "".join(f"<n{number}/>" for number in range(300_000))
SAME = "<sheet name='a' id='s1'/>" * 1000
SWOLLEN = [b"<sst>", *[b"<si/>" * 200_000] * 60, b"</sst>"]
KEYED = "<manifest><encryption-data/></manifest>"

REFUSED = {
    "a cell behind the last column": lambda: in_a_row(text_cell("XFE2")),
    "a cell of no column": lambda: in_a_row(text_cell("Ä2")),
    "a row behind the last": lambda: in_a_row(text_cell("A2"), 1048577),
    "a row of a number too long": lambda: in_a_row(text_cell("A2"), "9" * 5000),
    "a row twice": lambda: in_a_row(text_cell("A1"), 1),
    "a cell in a cell": lambda: in_a_row('<c r="A2"><c r="A2"></c></c>'),
    "20,000 cells in one": lambda: in_a_row(text_cell("A2") * 20_000),
    "738 MB in 1 MB": lambda: with_part(SHEET, sheet_of("", " " * MEBIBYTE, 704)),
    "60 MB of texts in 60 kB": lambda: pressed(SWOLLEN),
    "a value without end": lambda: with_part(SHEET, sheet_of('<row r="2"><c><v>', LONG, 30)),
    "a formula without end": lambda: with_part(SHEET, sheet_of('<row r="2"><c><f>', LONG, 30)),
    "an attribute without end": lambda: with_part(SHEET, sheet_of('<row r="', LONG, 30)),
    "a comment without end": lambda: with_part(SHEET, sheet_of("<!--", ">" * MEBIBYTE, 30)),
    "elements without end": lambda: with_part(SHEET, sheet_of("", "<a>" * 100_000, 100)),
    "texts in texts without end": lambda: pressed(chain([b"<sst>"], repeat(b"<si>", 10**6))),
    "a million names": lambda: with_part(SHEET, sheet_of("", NAMES, 1)),
    "entities in the sheet": lambda: with_part(SHEET, INSIDE),
    "entities in UTF-16": lambda: with_part(SHEET, INSIDE.encode("utf-16")),
    "entities in the texts": lambda: pressed(f"{BOMB}<sst><si><t>&i;</t></si></sst>"),
    "entities in the workbook": lambda: with_part("xl/w.xml", f"{BOMB}<workbook/>"),
    "entities in the styles": lambda: with_part("xl/styles.xml", f"{BOMB}<s/>", styles=""),
    "an entity from elsewhere": lambda: with_part(SHEET, OUTSIDE),
    "a text that is not there": lambda: pressed(STRINGS, SHARED.format(1)),
    "a text before the first": lambda: pressed(STRINGS, SHARED.format(-1)),
    "a text of a number too long": lambda: pressed(STRINGS, SHARED.format("9" * 6000)),
    "no texts at all": lambda: packed(parts_of(HEADER + SHARED.format(0))),
    "a long text in a thousand cells": lambda: pressed(
        f"<sst><si><t>{'x' * 65_000}</t></si></sst>",
        f"""<row r="2">{"<c t='s'><v>0</v></c>" * 1000}</row>""",
    ),
    "a sheet that is not there": lambda: without(SHEET),
    "a sheet that is none": lambda: with_part(SHEET, "<styleSheet/>"),
    "a sheet that is no XML": lambda: with_part(SHEET, "phone,name\n"),
    "a sheet that breaks off": lambda: with_part(SHEET, sheet_of('<row r="2"><c r="A2">', "", 1)),
    "a workbook that is none": lambda: with_part("xl/w.xml", "<document/>"),
    "another kind of document": lambda: packed({"word/document.xml": "<document/>"}),
    "an XLSB": binary,
    "one sheet under a thousand names": lambda: with_part(
        "xl/w.xml", f"<workbook><sheets>{SAME}</sheets></workbook>"
    ),
    "half a file": lambda: cut(packed(parts_of(LIST))),
    "a spoiled byte": lambda: spoiled(packed(parts_of(LIST))),
    "a size that is none": lambda: lying(packed(parts_of(LIST))),
    "a locked sheet": lambda: locked(packed(parts_of(LIST))),
    "another way of packing": otherwise_packed,
    "50,000 parts": lambda: packed(parts_of(LIST) | {f"{n}.png": "" for n in range(50_000)}),
    "a password": lambda: (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    ),
    "rows an ODS repeats for ever": lambda: ods(
        ods_row("1", "a", attributes='table:number-rows-repeated="2147483647"')
    ),
    "a long text an ODS repeats": lambda: ods(
        '<table:table-row><table:table-cell table:number-columns-repeated="900">'
        f"<text:p>{'x' * 65_000}</text:p></table:table-cell></table:table-row>"
    ),
    "a count that is none": lambda: ods(
        ods_row("1", attributes=f'table:number-rows-repeated="{"9" * 5000}"')
    ),
    "a billion blanks": lambda: ods(ods_row('1<text:s text:c="1000000000"/>')),
    "entities in an ODS": lambda: packed(
        ods_parts("") | {"content.xml": f"{BOMB}<office:document-content/>"}
    ),
    "an ODS with a password": lambda: packed(
        ods_parts(ods_table(ods_row("phone"))) | {"META-INF/manifest.xml": KEYED}
    ),
}
READ = {
    "a cell far to the right": lambda: in_a_row(text_cell("A2") + text_cell("XFD2")),
    "a cell far below": lambda: in_a_row(text_cell("A1048576"), 1048576),
    "a format without end": lambda: shown_by("0" * 10**5, "1", "2"),
    "a number beyond all numbers": lambda: shown_by("0.00", "1E999", "NaN"),
    "numbers as long as can be": lambda: shown_by("# ?/?", "1E308", "1E-308"),
    "a date beyond all dates": lambda: shown_by("[h]:mm", "1E308", "-1E308"),
    "blank rows an ODS repeats for ever": lambda: ods(
        ods_row("1", "a") + ods_row("", attributes='table:number-rows-repeated="2147483647"')
    ),
    "cells an ODS repeats for ever": lambda: ods(
        '<table:table-row><table:table-cell table:number-columns-repeated="2147483647">'
        "<text:p>1</text:p></table:table-cell></table:table-row>"
    ),
}
HOSTILE = (
    {
        "one cell at XFD1048576": (lambda: alone("XFD1048576"), "too_many_columns"),
        "one cell at ZZ100000": (lambda: alone("ZZ100000"), "no_rows"),
    }
    | {name: (make, "not_a_csv") for name, make in REFUSED.items()}
    | {name: (make, "") for name, make in READ.items()}
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_is_refused_or_read_in_little_memory(name: str, tmp_path: Path) -> None:
    make, code = HOSTILE[name]
    file = tmp_path / "guests.xlsx"
    file.write_bytes(make())  # type: ignore[no-untyped-call]

    outcome = read_bounded(file)

    assert (outcome.code, outcome.rows > 0) == (code, not code), outcome
    assert outcome.grown < FEW, outcome
    assert len(outcome.message) < 300


def test_many_rows_and_texts_are_read_in_flat_memory(tmp_path: Path) -> None:
    """Each row has a text of its own, far more than the list's names."""
    rows = 150_000
    lines = (
        f'<row r="{n}"><c r="A{n}"><v>{15550000000 + n}</v></c>'
        f'<c r="B{n}" t="s"><v>{n}</v></c></row>'
        for n in range(2, rows + 2)
    )
    texts = (f"<si><t>somebody whose name is number {n} of all</t></si>" for n in range(rows + 2))
    sheet = chain([f'<worksheet xmlns="{MAIN}"><sheetData>{HEADER}'], lines,
                  ["</sheetData></worksheet>"])  # fmt: skip
    strings = chain([f'<sst xmlns="{MAIN}">'], texts, ["</sst>"])
    parts = parts_of("", strings=map(str.encode, strings)) | {SHEET: map(str.encode, sheet)}
    file = tmp_path / "guests.xlsx"
    file.write_bytes(packed(parts))

    outcome = read_bounded(file)

    assert (outcome.rows, outcome.code) == (rows, "")
    assert outcome.grown < MANY, outcome
