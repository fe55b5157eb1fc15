"""One line of the table: ours, what it is held against, and how the rounds spread."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: (ours, baseline) of one round; both were measured within moments of each other.
Pair = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """What one benchmark found. `ratio` is made so that more is better, unless `name` says not."""

    name: str
    ours: float
    baseline: float
    ratio: float
    #: the lowest and the highest ratio of the rounds
    spread: tuple[float, float]
    unit: str
    target: str
    #: None: no target, or nothing was measured
    met: bool | None
    note: str = ""


#: How often to measure, and whether the short form is asked for.
Measure = Callable[[int, bool], Sequence[Row]]


def faster(
    name: str, pairs: Sequence[Pair], *, unit: str, target: float | None, note: str = ""
) -> Row:
    """Rates: ours over the baseline's, at least `target`."""
    return _row(name, pairs, [o / b for o, b in pairs], unit=unit, least=target, note=note)


def cheaper(
    name: str, pairs: Sequence[Pair], *, unit: str, target: float | None, note: str = ""
) -> Row:
    """Costs: the baseline's over ours, at least `target`."""
    return _row(name, pairs, [b / o for o, b in pairs], unit=unit, least=target, note=note)


def within(name: str, pairs: Sequence[Pair], *, unit: str, most: float, note: str = "") -> Row:
    """Costs against a limit: ours over the limit, at most `most`."""
    ratios = [o / b for o, b in pairs]
    ratio = statistics.median(ratios)
    ours, baseline = (statistics.median(column) for column in zip(*pairs, strict=True))
    spread = min(ratios), max(ratios)
    return Row(name, ours, baseline, ratio, spread, unit, f"≤ {most:g}", ratio <= most, note)


def absent(name: str, *, target: str, note: str) -> Row:
    """A row that was not measured, and why."""
    nothing = float("nan")
    return Row(name, nothing, nothing, nothing, (nothing, nothing), "", target, None, note)


def _row(
    name: str,
    pairs: Sequence[Pair],
    ratios: Sequence[float],
    *,
    unit: str,
    least: float | None,
    note: str,
) -> Row:
    ratio = statistics.median(ratios)
    ours, baseline = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Row(
        name=name,
        ours=ours,
        baseline=baseline,
        ratio=ratio,
        spread=(min(ratios), max(ratios)),
        unit=unit,
        target="" if least is None else f"≥ {least:g}",
        met=None if least is None else ratio >= least,
        note=note,
    )
