"""Bytes to text: which encoding a file is in, found by reading all of it once.

Strict UTF-8 comes first, then UTF-16, then windows-1252. The whole file is looked at, not a sample,
because one stray byte must cost one row: a file that is otherwise UTF-8 is read as UTF-8 and the
row is refused, while a file whose every accent is a single byte is windows-1252. Statistical
guessing is left out on purpose: it called valid UTF-8 French "iso8859_10".
"""

import codecs
import io
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from shared.errors import Refused


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to read a file. `name` is for people, `codec` for Python.

    `suspect`: some cell has undecodable bytes, control characters or U+FFFD, so rows need a look.
    """

    name: str
    codec: str
    suspect: bool


def survey(file: BinaryIO) -> Decoding:
    """Read all of `file`, in flat memory. Raises Refused empty_file, not_a_csv."""
    file.seek(0)
    start = file.read(_SAMPLE)
    if not start.strip(b"\0\t\r\n \xef\xbb\xbf\xff\xfe"):
        raise Refused("empty_file", "The file is empty. Export it again and upload that.")
    _refuse_other_formats(start)
    wide = _wide_codec(start)
    if wide is not None:
        name = wide.removesuffix("-le").removesuffix("-be")
        return Decoding(name, wide, suspect=True)
    if _controls_in(start) * 10 > len(start):
        raise _not_a_table("not text")
    file.seek(0)
    tally = _Tally()
    while chunk := file.read(_CHUNK):
        tally.add(chunk)
    return tally.verdict()


def text_of(file: BinaryIO, codec: str) -> io.TextIOWrapper:
    """`file` from its start as text, line ends untouched, undecodable bytes as lone surrogates.

    The file itself stays open when the text is closed or forgotten.
    """
    file.seek(0)
    errors = "replace" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    buffered = io.BufferedReader(_Borrowed(file), _CHUNK // 4)
    return io.TextIOWrapper(buffered, encoding=codec, errors=errors, newline="")


_SAMPLE: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
_CONTROLS: Final = bytes(sorted({*range(32), 127} - {9, 10, 13}))


def _refuse_other_formats(start: bytes) -> None:
    found = next((name for magic, name in _FORMATS if start.startswith(magic)), None)
    if _PAGE.match(start.removeprefix(codecs.BOM_UTF8)):
        found = "a web page"
    if found:
        raise _not_a_table(found)


def _not_a_table(found: str) -> Refused:
    return Refused("not_a_csv", f"The file is {found}, not a CSV or XLSX. Export it as one.")


def _controls_in(chunk: bytes) -> int:
    return len(chunk) - len(chunk.translate(None, _CONTROLS))


# What reads oddly as windows-1252: its five undefined bytes, þ and ÿ (seldom the only ones), a
# capital after a small letter, a € before a letter.
_ODD: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d\xfe\xff]|(?<=[a-z])[\xc0-\xde]|\x80(?=[A-Za-z])")
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_HIGH_CONTROL: Final = re.compile(b"\xc2[\x80-\x9f]")  # U+0080 to U+009F, in UTF-8


class _Tally:
    """What the bytes of a file say for and against each encoding."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._good = self._bad = self._odd = 0
        self._marked: bool | None = None
        self._suspect = False

    def add(self, chunk: bytes) -> None:
        if self._marked is None:
            self._marked = chunk.startswith(codecs.BOM_UTF8)
        if len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
            raise Refused("not_a_csv", "A line is longer than a megabyte: this is not a CSV file.")
        self._suspect = self._suspect or _controls_in(chunk) > 0
        if not chunk.isascii() or self._utf8.getstate()[0]:
            self._weigh(chunk, self._utf8.decode(chunk))

    def verdict(self) -> Decoding:
        self._weigh(b"", self._utf8.decode(b"", final=True))
        if self._bad and not self._marked and self._reads_as_windows():
            return Decoding("windows-1252", "cp1252", suspect=True)
        suspect = self._suspect or self._bad > 0
        return Decoding("utf-8", "utf-8-sig", suspect=suspect)

    def _weigh(self, chunk: bytes, text: str) -> None:
        utf8 = _encoded(text)
        bad = len(_UNDECODED.findall(text)) if utf8 is None else 0
        self._bad += bad
        self._good += len(text) - len(text.encode("ascii", "ignore")) - bad
        self._odd += len(_ODD.findall(chunk)) if bad else 0
        unreadable = utf8 is None or "\ufffd" in text or _HIGH_CONTROL.search(utf8)
        self._suspect = self._suspect or bool(unreadable)

    def _reads_as_windows(self) -> bool:
        """More single bytes than UTF-8 characters, and most of them where a letter may stand."""
        return self._bad > self._good and self._bad > 2 * self._odd


def _encoded(text: str) -> bytes | None:
    """The text in UTF-8; None where bytes could not be decoded."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None


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
