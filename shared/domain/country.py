"""The calling code of a number. A hold on a country names it."""

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

_CODES = frozenset(COUNTRY_CODE_TO_REGION_CODE)


def country_of(phone: str) -> int:
    """The calling code of an E.164 number, such as 44; 0 when it begins with none.

    No calling code is the beginning of another (ITU-T E.164), so the first match is the only one.
    """
    for length in (1, 2, 3):
        code = int(phone[1 : 1 + length])
        if code in _CODES:
            return code
    return 0
