"""Column names as words, whatever their spelling."""

import re
import unicodedata
from typing import Final

_SEAMS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")


def words(name: str) -> str:
    """`SMSOptIn`, `sms_opt-in` and `SMS Opt-In` are all `sms opt in`; accents are taken off."""
    apart = unicodedata.normalize("NFKD", _SEAMS.sub(" ", name)).casefold()
    plain = "".join(char for char in apart if not unicodedata.combining(char))
    return _OTHERS.sub(" ", plain).strip()


def joined(name: str) -> str:
    """The words without what is between them: `Message Body` is `messagebody`."""
    return words(name).replace(" ", "")
