"""One stack for all faults it can survive: that is the point of it."""

from collections.abc import Iterator

import pytest

from tests.chaos.harness import Bench, bench


@pytest.fixture(scope="package")
def shared() -> Iterator[Bench]:
    """A stack with three sending workers, for all tests of this directory that do not need more."""
    with bench(workers=3) as made:
        yield made


@pytest.fixture
def stack(shared: Bench) -> Bench:
    """The shared stack without earlier campaigns, its carrier in good order."""
    shared.begin()
    return shared
