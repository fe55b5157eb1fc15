"""The error for a phone number that we may not text."""

from typing import Final

MISSING: Final = "missing_phone"
INVALID: Final = "invalid_phone"
AMBIGUOUS: Final = "ambiguous_phone"
PREMIUM: Final = "premium_number"


class PhoneError(ValueError):
    """A number that we may not text. `reason` is what is wrong with it, `fix` what to do.

    `code` is one of missing_phone, invalid_phone, ambiguous_phone and premium_number.
    """

    def __init__(self, code: str, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fix = fix
