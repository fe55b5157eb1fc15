"""The names of encodings: what people call them, and what Python does."""

import codecs
from typing import Final

from scheduler.ingest.read.alphabets import CANDIDATES
from shared.errors import Refused

#: What a person may call an encoding whose superset is what programs mean by it.
_SUPERSETS: Final = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "utf-8": "utf-8-sig",
}
#: Codecs that are none of a file, though Python would decode one with them.
_NO_FILES: Final = frozenset(["idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7"])
_NAMES: Final = {codecs.lookup(known.codec).name: known.name for known in CANDIDATES}


def codec_named(encoding: str) -> str:
    """Python's codec for a name people use. Raises Refused unknown_encoding."""
    try:
        found = codecs.lookup(encoding.strip()).name
        codec = _SUPERSETS.get(found, found)
        if is_wide(codec) or (found.replace("_", "-") not in _NO_FILES and _keeps_ascii(codec)):
            return codec
    except (LookupError, ValueError):  # no such codec, one that makes no text, a NUL in the name
        pass
    raise Refused(
        "unknown_encoding",
        f"“{encoding}” is no encoding that a file can be in. Use a name such as utf-8, "
        "windows-1252, windows-1250 or macroman.",
        details={"encoding": encoding},
    )


def name_of(codec: str) -> str:
    """A codec's name for people, by which it is found again."""
    return _NAMES.get(codecs.lookup(codec).name, codec.removesuffix("-sig"))


def is_wide(codec: str) -> bool:
    """Whether every character takes two or four bytes."""
    return codec.startswith(("utf-16", "utf-32"))


def _keeps_ascii(codec: str) -> bool:
    ascii_text = "".join(map(chr, range(32, 127)))
    return ascii_text.encode().decode(codec) == ascii_text
