"""Text that was encoded twice: UTF-8 that some program read as another encoding and wrote again.

`José` becomes `JosÃ©` (read as windows-1252), `Jos√©` (as MacRoman) or `JosГ©` (as windows-1251).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

# In UTF-8: what windows-1252, MacRoman or windows-1251 makes of a lead byte, and of what follows.
_LEAD: Final = rb"[\xc3\xd0\xe2](?:[\x82-\x9f\xa0-\xa5\xb0]|\x88\x9a)"
_FOLLOWS: Final = rb"\xc2[\x80-\xbf]|\xe2[\x80-\x84]|\xc5|\xc6\x92|\xcb[\x86\x9c]|\xd1[\x90-\x9f]"
_FOLLOWS_TOO: Final = rb"\xd0[\x82-\x8f]|\xd2[\x90\x91]|\xc3"
#: Bytes that text encoded twice has somewhere, and other text seldom.
TELLING: Final = re.compile(b"%b(?:%b|%b)" % (_LEAD, _FOLLOWS, _FOLLOWS_TOO))

_ASCII: Final = bytes(range(128))


def may_be_encoded_twice(chunk: bytes) -> bool:
    """A quick look: whether `TELLING` may be in it. Most bytes of a file are ASCII."""
    return TELLING.search(chunk.translate(None, _ASCII)) is not None


_BETWEEN: Final = re.compile(r"[\t\r\n ,;|\"]+")  # a no-break space may be half a letter
_READ_AS: Final = ("cp1252", "mac_roman", "cp1251")


def encoded_twice(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The words that were, each with what it should be."""
    for line in lines:
        for word in _BETWEEN.split(line):
            mended = None if word.isascii() else _mended(word)
            if mended:
                yield word, mended


def _mended(word: str) -> str | None:
    for codec in _READ_AS:
        try:
            mended = b"".join(_byte(char, codec) for char in word).decode("utf-8")
        except UnicodeError:
            continue
        return mended
    return None


def _byte(char: str, codec: str) -> bytes:
    """The byte that a program shows as `char`; five of windows-1252 have no character."""
    try:
        return char.encode(codec)
    except UnicodeEncodeError:
        return char.encode("latin-1")
