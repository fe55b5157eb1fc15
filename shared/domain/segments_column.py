"""The cost of thousands of texts at once: the same results as `segments.measure`. Pure."""

from collections.abc import Sequence
from typing import Final

from shared.domain.gsm7 import BASIC
from shared.domain.segments import Encoding, measure

#: ASCII that GSM-7 writes in one septet.
_BASIC: Final = "".join(filter(str.isascii, BASIC)).encode()
_BASIC_SET: Final = frozenset(BASIC)


def basic(text: str) -> bool:
    """Whether every character of `text` costs one septet of GSM-7, with smart encoding or not."""
    if text.isascii():
        return not text.encode().translate(None, _BASIC)
    return _BASIC_SET.issuperset(text)


def costs(
    bodies: Sequence[str], *, plain: bool, smart_encoding: bool = False
) -> tuple[list[str], list[int]]:
    """The encodings and the billed segments of `bodies`.

    `plain`: all of them are `basic`, so their lengths alone decide.
    """
    if plain:
        return [Encoding.GSM7.value] * len(bodies), _by_length(list(map(len, bodies)))
    measured = [measure(body, smart_encoding=smart_encoding) for body in bodies]
    return [cost.encoding.value for cost in measured], [cost.segments for cost in measured]


def _by_length(septets: list[int]) -> list[int]:
    if max(septets, default=0) <= 160:
        return [1] * len(septets)
    return [1 if length <= 160 else -(-length // 153) for length in septets]
