"""Workbooks made by hand, part by part: shapes that no writer library makes, hostile ones too."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_OOXML: Final = "http://schemas.openxmlformats.org"
MAIN: Final = f"{_OOXML}/spreadsheetml/2006/main"
_RELATIONS: Final = f"{_OOXML}/officeDocument/2006/relationships"
_PACKAGE: Final = f"{_OOXML}/package/2006/relationships"

#: A part's content, whole or in pieces.
Content = str | bytes | Iterable[bytes]


def packed(parts: Mapping[str, Content]) -> bytes:
    """A zip file of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            with archive.open(name, "w") as part:
                for piece in _pieces(content):
                    part.write(piece)
    return out.getvalue()


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, str):
        yield content.encode()
    elif isinstance(content, bytes):
        yield content
    else:
        yield from content


def xlsx_parts(
    *sheets: str | tuple[str, str, str],
    strings: Content | None = None,
    styles: str | None = None,
    properties: str = "",
) -> dict[str, Content]:
    """The parts of an XLSX whose sheets hold these rows in XML: alone, or (name, state, rows).

    `styles` is what is within styleSheet, `properties` the attributes of workbookPr.
    """
    told = [s if isinstance(s, tuple) else (f"Sheet{i}", "", s) for i, s in enumerate(sheets, 1)]
    parts: dict[str, Content] = {"_rels/.rels": _relations({"r": ("officeDocument", "xl/w.xml")})}
    relations: dict[str, tuple[str, str]] = {}
    listed = ""
    for number, (name, state, rows) in enumerate(told, 1):
        shown = f' state="{state}"' if state else ""
        listed += f'<sheet name="{name}" sheetId="{number}"{shown} r:id="s{number}"/>'
        relations[f"s{number}"] = ("worksheet", f"sheets/{number}.xml")
        parts[f"xl/sheets/{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        )
    if strings is not None:
        relations["strings"] = ("sharedStrings", "/xl/strings.xml")
        parts["xl/strings.xml"] = strings
    if styles is not None:
        relations["styles"] = ("styles", "styles.xml")
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
    parts["xl/w.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{_RELATIONS}"><workbookPr {properties}/>'
        f"<sheets>{listed}</sheets></workbook>"
    )
    parts["xl/_rels/w.xml.rels"] = _relations(relations)
    return parts


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{listed}</Relationships>'


def formats(*codes: str) -> str:
    """The styles 1, 2, … with these number formats; style 0 is General."""
    numbers = "".join(
        f'<numFmt numFmtId="{164 + index}" formatCode="{_attribute(code)}"/>'
        for index, code in enumerate(codes)
    )
    styles = "".join(f'<xf numFmtId="{164 + index}"/>' for index in range(len(codes)))
    return (
        f"<numFmts>{numbers}</numFmts><cellStyleXfs><xf numFmtId='9'/></cellStyleXfs>"
        f'<cellXfs><xf numFmtId="0"/>{styles}</cellXfs>'
    )


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def row(number: int, *cells: str, attributes: str = "") -> str:
    """A row of inline texts from column A on."""
    columns = zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", cells, strict=False)
    written = "".join(
        f'<c r="{letter}{number}" t="inlineStr"><is><t>{_attribute(cell)}</t></is></c>'
        for letter, cell in columns
    )
    return f'<row r="{number}" {attributes}>{written}</row>'


_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns"
_ODS_TYPE: Final = "application/vnd.oasis.opendocument.spreadsheet"


def ods_parts(tables: str, *, styles: str = "") -> dict[str, Content]:
    """The parts of an ODS with these `table:table` elements."""
    names = " ".join(
        f'xmlns:{prefix}="{_ODF}:{prefix}:1.0"' for prefix in ("office", "style", "table", "text")
    )
    more = f'xmlns:calcext="x" xmlns:draw="{_ODF}:drawing:1.0"'
    return {
        "mimetype": _ODS_TYPE,
        "content.xml": f'<?xml version="1.0" encoding="UTF-8"?>'
        f"<office:document-content {names} {more}>"
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>",
    }


def ods_table(rows: str, *, name: str = "Guests", style: str = "") -> str:
    """A sheet of an ODS."""
    return f'<table:table table:name="{name}" table:style-name="{style}">{rows}</table:table>'


def ods_row(*cells: str, attributes: str = "") -> str:
    """A row of texts."""
    written = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        if cell
        else "<table:table-cell/>"
        for cell in cells
    )
    return f"<table:table-row {attributes}>{written}</table:table-row>"
