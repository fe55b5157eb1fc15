"""The short form for CI: cheap rows whose ratio must not fall below half of what was measured."""

import pytest

from tests.benchmarks import ingest, publishing, receipts, segments, sending

#: Ratios of the short form on 2026-11-20; half of each is the floor.
MEASURED = {
    "segments, plain GSM-7": 15.0,
    "segments, mixed": 7.9,
    "ingest, new campaign": 0.40,
    "publishing due work": 25.0,
    "send, CPU": 10.5,
    "receipts applied": 5.5,
}


@pytest.mark.bench
@pytest.mark.parametrize(
    "measured",
    [segments, ingest, publishing, sending, receipts],
    ids=lambda module: module.__name__,
)
def test_no_ratio_has_fallen_by_half(measured):
    rows = measured.measure(3, True)

    for row in rows:
        print(f"{row.name}: {row.ratio:.2f} ({row.spread[0]:.2f}–{row.spread[1]:.2f}) {row.unit}")
        if row.name in MEASURED:
            assert row.ratio >= MEASURED[row.name] / 2, row.name
        else:
            assert row.met is not False, row.name
