"""The short form for CI: cheap rows whose ratio must not fall below half of what was measured."""

from typing import Any

import pytest

from tests.benchmarks import idle, ingest, publishing, receipts, segments, sending, validation

#: Ratios of the short form on 2026-11-20; half of each is the floor.
MEASURED = {
    "segments, plain GSM-7": 15.5,
    "segments, mixed": 7.7,
    "ingest, new campaign": 0.80,
    "ingest, merge": 0.40,
    "validation alone": 25.0,
    "publishing due work": 20.0,
    "send, CPU": 8.7,
    "receipts applied": 13.0,
}


@pytest.mark.bench
@pytest.mark.parametrize(
    "measured",
    [segments, ingest, validation, publishing, sending, receipts, idle],
    ids=lambda module: module.__name__,
)
def test_no_ratio_has_fallen_by_half(measured: Any) -> None:
    rows = measured.measure(3, True)

    for row in rows:
        print(f"{row.name}: {row.ratio:.2f} ({row.spread[0]:.2f}–{row.spread[1]:.2f}) {row.unit}")
        if row.name in MEASURED:
            assert row.ratio >= MEASURED[row.name] / 2, row.name
        else:
            assert row.met is not False, row.name
