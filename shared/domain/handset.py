"""Two numbers of one handset. Pure.

An Argentine mobile has a 9 after the country code for calls from abroad, and none for texts from
some senders. Both numbers belong to one handset; no landline has its ten digits. The text goes to
the number as given; duplicates and suppressions count the handset.
"""

from collections.abc import Sequence
from typing import Final

_MOBILE, _PLAIN = "+549", "+54"
#: The size of a number with country code, 9 and ten digits.
_LEAST, _MOST = 549 * 10**10, 550 * 10**10 - 1
_NINE: Final = 549 * 10**10 - 54 * 10**10
_TEN_DIGITS: Final = 10


def forms(e164: str) -> tuple[str, ...]:
    """The number, and the other number of the same handset, if it may have one."""
    if e164.startswith(_MOBILE) and len(e164) == len(_MOBILE) + _TEN_DIGITS:
        return e164, _PLAIN + e164[len(_MOBILE) :]
    if e164.startswith(_PLAIN) and len(e164) == len(_PLAIN) + _TEN_DIGITS:
        return e164, _MOBILE + e164[len(_PLAIN) :]
    return (e164,)


def handsets(numbers: Sequence[str]) -> list[int]:
    """For each number in E.164 its digits as an int, the same for the numbers of one handset."""
    digits = list(map(int, numbers))
    if _MOBILE not in " ".join(numbers):
        return digits
    return [number - _NINE if _LEAST <= number <= _MOST else number for number in digits]
