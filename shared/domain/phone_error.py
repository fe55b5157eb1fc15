"""Why a phone number is none that we may text."""

from typing import Final

MISSING: Final = "missing_phone"
INVALID: Final = "invalid_phone"
AMBIGUOUS: Final = "ambiguous_phone"
PREMIUM: Final = "premium_number"


class PhoneError(ValueError):
    """Not a number we may text. `reason` says what is wrong with it, `fix` what to do.

    `code` is one of missing_phone, invalid_phone, ambiguous_phone and premium_number.
    """

    def __init__(self, code: str, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fix = fix
