"""The carriers' day, by which daily caps are counted."""

from datetime import UTC, datetime

import pytest

from shared.domain.carrier_day import until_day_ends


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [
        (datetime(2026, 3, 8, 8, 0, tzinfo=UTC), 23),  # the clocks go forward
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 25),  # and back
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), 24),
    ],
)
def test_a_day_may_have_23_or_25_hours(midnight: datetime, hours: int) -> None:
    assert until_day_ends(midnight) == hours * 3600


def test_a_day_ends_at_midnight_in_california() -> None:
    late = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)  # 23:30 the day before, in Los Angeles

    assert until_day_ends(late) == 1800
