"""The life of messages over the real statements, in any order the world may choose (row 25)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.db.session import engine
from tests.chaos.harness import HISTORY
from tests.chaos.mutants import without_guard
from tests.chaos.play import Ledger

pytestmark = pytest.mark.chaos


@pytest.fixture
def history(database: str) -> None:
    with engine().begin() as connection:
        connection.exec_driver_sql(HISTORY)


def play(*, examples: int, **more: Any) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
    run_state_machine_as_test(Ledger, settings=chosen)


@pytest.mark.usefixtures("history")
def test_in_any_order_of_events_nobody_is_texted_twice_and_no_status_goes_back() -> None:
    play(examples=100)


@pytest.mark.usefixtures("history")
def test_the_play_sees_a_claim_without_its_guard() -> None:
    with without_guard("no claim guard"), pytest.raises(AssertionError):
        play(examples=500, phases=[Phase.generate], database=None, derandomize=True)
