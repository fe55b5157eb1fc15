"""Make foreign text safe to print: a terminal shows it and runs no escape sequence in it."""

import json
import re
from typing import Final

#: Controls (C0 except tab and line feed, C1, DEL), lone surrogates, line and paragraph separators,
#: marks that change the direction of writing, and invisible marks. Joiners stay: emoji, Persian
#: and Hindi need them.
_ILLEGIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ud800-\udfff\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def legible(text: str) -> str:
    """`text` for a terminal, JSON and Postgres: characters that they cannot show become U+FFFD."""
    return _ILLEGIBLE.sub("\ufffd", text)


def in_one_line(text: str) -> str:
    """`legible`, and on one line."""
    return legible(text.translate(_BREAKS))


def escaped(document: str) -> str:
    """The JSON document with \\u escapes that a terminal can show. It parses to the same value."""
    return _ILLEGIBLE.sub(lambda found: json.dumps(found.group())[1:-1], document)


_BREAKS: Final = {ord(char): " " for char in "\t\n\v\f\r\x85\u2028\u2029"}
