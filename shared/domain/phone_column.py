"""Phone numbers by the column: the results of `phone.normalise` for thousands of cells. Pure.

Most cells are written plainly, and the first digits decide whether such a number exists.
`normalise` decides the others, one by one. A test checks that both give the same answer.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Final

from shared.domain.numbering import is_region, national, plainly_valid, surely_valid
from shared.domain.phone_text import GROUPING, NO_GROUPING

#: Finds, in a text with one cell a line, cells that may match NO_GROUPING. One search is much
#: faster than a match of every cell.
_PERHAPS: Final = ("\n-", "\n(-", "\n ", "\n( ", "-\n", ")\n", " \n", "---")


def plain_numbers(cells: Sequence[str], region: str) -> list[str]:
    """Each cell in E.164; "" for one that is not plainly a number: pass it to `normalise`.

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
    """The cells, each with plus and calling code; "?" for a cell where that is uncertain."""
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
    """Whether a cell, one a line, may have a minus that is not grouping."""
    enclosed = f"\n{text}\n"
    return any(mark in enclosed for mark in _PERHAPS)


def _all_digits(numbers: Sequence[str]) -> bool:
    """Whether each number is a plus and ASCII digits."""
    text = "".join(numbers)
    digits = text.replace("+", "")
    return not text or (
        text.isascii() and digits.isdigit() and len(text) - len(digits) == len(numbers)
    )
