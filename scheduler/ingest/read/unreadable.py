"""Characters that no text has: what is left of undecodable bytes, and invisible controls."""

import re
from typing import Final

#: An undecodable byte: a lone surrogate, or the replacement character of whoever read it before.
LOST: Final = re.compile("[\ud800-\udfff\ufffd]")
#: C0 but tab, line feed and carriage return; DEL; C1.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
UNREADABLE: Final = re.compile(f"{LOST.pattern}|{CONTROL.pattern}")
