"""Phone numbers by the column: what `phone.normalise` says, found for thousands in one go. Pure.

Most cells of a file are written plainly, and whether such a number exists is settled by its first
digits. The others are left to `normalise`, one by one; a test holds the two to the same answer.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Final

from shared.domain.numbering import is_region, national, plainly_valid, surely_valid
from shared.domain.phone_text import GROUPING, NO_GROUPING

#: In a text of cells, one a line: where a cell may be NO_GROUPING. To search for these is much
#: quicker than to match every cell.
_PERHAPS: Final = ("\n-", "\n(-", "\n ", "\n( ", "-\n", ")\n", " \n", "---")


def plain_numbers(cells: Sequence[str], region: str) -> list[str]:
    """Each cell in E.164; "" for one that is not plainly a number: ask `normalise`.

    `region` is as for `normalise`, in capitals.
    """
    numbers = _with_codes(cells, region)
    sure = surely_valid(numbers)
    found = numbers if all(sure) else list(compress(numbers, sure))
    if not _all_digits(found):
        return [number if plainly_valid(number) else "" for number in numbers]
    if found is numbers:
        return list(numbers)
    return [
        number if is_sure or plainly_valid(number) else ""
        for number, is_sure in zip(numbers, sure, strict=True)
    ]


def _with_codes(cells: Sequence[str], region: str) -> Sequence[str]:
    """The cells, those without a plus as dialled from abroad; "?" for what is not plainly so."""
    local = [cell for cell in cells if cell[:1] != "+"]
    if not local:
        return cells
    text = "\n".join(local)
    if not is_region(region) or text.count("\n") != len(local) - 1:
        dialled = ["?"] * len(local)
    else:
        dialled = national(text.translate(GROUPING).split("\n"), region)
        if _may_hide(text):
            dialled = [
                "?" if NO_GROUPING.match(cell) else number
                for cell, number in zip(local, dialled, strict=True)
            ]
    following = iter(dialled)
    return [cell if cell[:1] == "+" else next(following) for cell in cells]


def _may_hide(text: str) -> bool:
    """Whether any of the cells, one a line, may have a minus that is no grouping."""
    enclosed = f"\n{text}\n"
    return any(mark in enclosed for mark in _PERHAPS)


def _all_digits(numbers: Sequence[str]) -> bool:
    """Whether there are only ASCII digits behind the plus that each begins with."""
    text = "".join(numbers)
    digits = text.replace("+", "")
    return not text or (
        text.isascii() and digits.isdigit() and len(text) - len(digits) == len(numbers)
    )
