"""A carrier that fails, throttles, lags and calls back badly or not at all (rows 11 to 15)."""

import pytest

from shared import clock
from tests.chaos.harness import Bench, Campaign
from tests.chaos.invariants import broken, unknown_without_reason, unsettled
from tests.chaos.matrix import BAD_ANSWERS, BAD_CALLBACKS
from tests.chaos.nemesis import frozen

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]


def test_every_kind_of_answer_and_callback_comes_to_a_true_end(stack: Bench) -> None:
    refused_before = stack.called_back()["403"]
    # Without 429, which has a test of its own: each slows the whole account down for a while.
    answers = {fault: rate for fault, rate in BAD_ANSWERS.items() if fault != "429"}
    stack.carrier(fault_rates=answers, callbacks=BAD_CALLBACKS)
    campaign = stack.upload(600, stack.add_agents(16))
    stack.launch(campaign)
    stack.until_went(0.8)
    stack.carrier(fault_rates={})
    stack.converge()
    truth = stack.truth()

    assert sum(not entry.accepted for entry in truth.log) > 5
    assert stack.called_back()["403"] > refused_before
    assert not broken(truth)
    assert truth.statuses == {"delivered": 600}


@pytest.mark.parametrize("retry_after", [None, 1])
def test_a_storm_of_429_burns_no_attempt(stack: Bench, retry_after: int | None) -> None:
    campaign = stack.upload(150, stack.add_agents(16))
    stack.carrier(storm_429_until=clock.unix() + 4, retry_after=retry_after)
    stack.launch(campaign)
    stack.converge()
    truth = stack.truth()

    assert sum(not entry.accepted for entry in truth.log) > 0
    assert not broken(truth)
    assert truth.statuses == {"delivered": 150}
    assert {message["attempts"] for message in truth.messages} == {1}


def test_a_few_429_do_not_bring_an_account_to_a_stop(stack: Bench) -> None:
    agents = stack.add_agents(40)
    plain = stack.upload(600, agents)
    undisturbed = _seconds(stack, plain)
    stack.begin()
    stack.carrier(fault_rates={"429": 0.03})
    throttled = _seconds(stack, stack.upload(600, agents))

    # Three calls in a hundred are to be made again: that is no reason to send a third as fast.
    assert throttled < 3 * undisturbed


def test_a_list_that_lags_makes_nobody_be_texted_twice(stack: Bench) -> None:
    # Later than the last of RECONCILE_CHECKS, and no callback: nothing can decide.
    stack.carrier(
        fault_rates={"500_before": 0.05, "500_after": 0.05, "reset_after": 0.05},
        callbacks={"drop": 1},
        list_lag_seconds=30,
    )
    campaign = stack.upload(300, stack.add_agents(16))
    stack.launch(campaign)
    stack.converge()
    truth = stack.truth()
    in_doubt = {entry.message_id for entry in truth.log if not entry.accepted}

    assert in_doubt
    assert not broken(truth)
    assert 0 < truth.statuses["unknown"] < 100
    assert truth.statuses["unknown"] + truth.statuses["delivered"] == 300


def test_a_list_that_is_down_is_waited_for(stack: Bench) -> None:
    stack.carrier(
        fault_rates={"500_before": 0.05, "500_after": 0.1}, callbacks={"drop": 1}, list_down=True
    )
    campaign = stack.upload(200, stack.add_agents(16))
    stack.launch(campaign)
    stack.until_went(0.8)
    stack.carrier(fault_rates={})
    parked_meanwhile = stack.counts()["unknown"]
    stack.carrier(list_down=False)
    stack.converge()
    truth = stack.truth()

    assert parked_meanwhile == 0
    assert not broken(truth)
    assert not unknown_without_reason(truth, doubt=4, verdict=12)


def test_while_nothing_can_call_back_the_poller_finds_the_ends(stack: Bench) -> None:
    campaign = stack.upload(200, stack.add_agents(16))
    stack.launch(campaign)
    (api,) = stack.pids("api")
    with frozen(api):
        stack.wait(lambda: stack.counts()["delivered"] == 200, "the poller to find all ends")
    stack.converge()
    truth = stack.truth()

    assert not broken(truth)
    assert not unsettled(truth)


def _seconds(stack: Bench, campaign: Campaign) -> float:
    """From the launch until nearly all of its messages have been accepted."""
    began = clock.unix()
    stack.launch(campaign)
    stack.until_went(0.9)
    return clock.unix() - began
