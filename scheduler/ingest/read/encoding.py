"""Bytes to text: which encoding a file is in, found by reading all of it once.

Strict UTF-8 comes first, then UTF-16; what is neither is judged by its lines with bytes beyond
ASCII (`guess`). The whole file is looked at, not a sample, because one stray byte must cost one
row: a file that is otherwise UTF-8 is read as UTF-8 and the row is refused.
"""

import codecs
import io
import re
from typing import BinaryIO, Final

from scheduler.ingest.read.byte_tally import CHUNK, Decoding, Tally, controls_in
from scheduler.ingest.read.encoding_names import codec_named, is_wide, name_of
from scheduler.ingest.read.warnings import Warnings
from shared.errors import Refused


def survey(
    file: BinaryIO, *, encoding: str | None = None, warnings: Warnings | None = None
) -> Decoding:
    """Read all of `file`, in flat memory. `encoding` overrules; doubts go to `warnings`.

    Raises Refused empty_file, not_a_csv, unknown_encoding, unclear_encoding.
    """
    warnings = Warnings() if warnings is None else warnings
    given = None if encoding is None else codec_named(encoding)
    file.seek(0)
    start = file.read(_SAMPLE)
    if not start.strip(b"\0\t\r\n \xef\xbb\xbf\xff\xfe"):
        raise Refused("empty_file", "The file is empty. Export it again and upload that.")
    _refuse_other_formats(start)
    wide = given or _wide_codec(start)
    if wide is not None and is_wide(wide):
        if wide in ("utf-16", "utf-32") and not start.startswith(_WIDE_MARKS):
            wide = f"{wide}-be" if start[:1] == b"\0" else f"{wide}-le"
        name = wide.removesuffix("-le").removesuffix("-be")
        return Decoding(name, wide, suspect=True)
    if given is None and controls_in(start) * 10 > len(start):
        raise _not_a_table("not text")
    tally = _tallied(file)
    decoding = Decoding(name_of(given), given, suspect=True) if given else tally.verdict(warnings)
    tally.warn_of_garbled(decoding.codec, warnings)
    return decoding


def text_of(file: BinaryIO, codec: str) -> io.TextIOWrapper:
    """`file` from its start as text, line ends untouched, undecodable bytes as lone surrogates.

    The file itself stays open when the text is closed or forgotten.
    """
    file.seek(0)
    errors = "replace" if is_wide(codec) else "surrogateescape"
    buffered = io.BufferedReader(_Borrowed(file), CHUNK // 4)
    return io.TextIOWrapper(buffered, encoding=codec, errors=errors, newline="")


_SAMPLE: Final = 64 * 1024
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE_MARKS: Final = (*(mark for mark, _ in _BOMS), codecs.BOM_UTF32_BE)


def _wide_codec(start: bytes) -> str | None:
    """A UTF-16 or UTF-32 codec, by the byte order mark or by where the zero bytes are."""
    for mark, codec in _BOMS:
        if start.startswith(mark):
            return codec
    pairs = len(start) // 2
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > pairs * 0.4 and even < pairs * 0.1:
        return "utf-16-le"
    if even > pairs * 0.4 and odd < pairs * 0.1:
        return "utf-16-be"
    return None


_FORMATS: Final = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "compressed"),
    (b"7z\xbc\xaf", "compressed"),
    (b"Rar!", "compressed"),
    (b"SQLite format 3", "a database"),
)
_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html|table|\?xml|head|meta)\b", re.I)


def _refuse_other_formats(start: bytes) -> None:
    found = next((name for magic, name in _FORMATS if start.startswith(magic)), None)
    if _PAGE.match(start.removeprefix(codecs.BOM_UTF8)):
        found = "a web page"
    if found:
        raise _not_a_table(found)


def _not_a_table(found: str) -> Refused:
    return Refused("not_a_csv", f"The file is {found}, not a CSV or XLSX. Export it as one.")


def _tallied(file: BinaryIO) -> Tally:
    file.seek(0)
    tally = Tally()
    while chunk := file.read(CHUNK):
        tally.add(chunk if chunk.endswith(b"\n") else chunk + file.readline(_SAMPLE))
    return tally


class _Borrowed(io.RawIOBase):
    """Somebody else's file, read through without being closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        piece = self._file.read(len(view))
        view[: len(piece)] = piece
        return len(piece)
