"""One stack for all faults it can survive: that is the point of it."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.chaos import invariants
from tests.chaos.harness import Bench, bench


class Line(NamedTuple):
    """One judged test: what was done, to how many, and what came of it."""

    fault: str
    load: int
    lost: int
    twice: int
    unknown: int
    too_fast: int
    seconds: float


_LINES: list[Line] = []


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Notes what the invariants found, for the table at the end of the run."""
    began, before = time.monotonic(), len(invariants.JUDGED)
    yield
    for truth in invariants.JUDGED[before:]:
        _LINES.append(
            Line(
                fault=request.node.name.removeprefix("test_").replace("_", " "),
                load=sum(truth.statuses.values()),
                lost=len(invariants.lost(truth)),
                twice=len(invariants.twice(truth)),
                unknown=truth.statuses["unknown"],
                too_fast=len(invariants.too_fast(truth)),
                seconds=time.monotonic() - began,
            )
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The fault matrix, short."""
    if _LINES:
        terminalreporter.section("faults: load, lost, twice, unknown, rate violations, seconds")
    for line in _LINES:
        numbers = "".join(f"{number:7,.0f}" for number in line[1:])
        terminalreporter.write_line(f"{line.fault[:88]:88}{numbers}")


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
