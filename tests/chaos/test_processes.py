"""Processes that are stopped, frozen or killed while campaigns run (rows 2, 3, 17, 19, 20)."""

import signal
import threading
from functools import partial

import pytest

from deploy.local.system import processes
from shared import clock
from tests.chaos.harness import Bench, Campaign
from tests.chaos.invariants import after_stop, broken
from tests.chaos.nemesis import every, freeze, kill_a_sender, wipe_broker

_IS_AT_IT = "SELECT 1 FROM upload WHERE lease_until > now()"
_LEASE_RUNS_OUT = """
    UPDATE upload SET lease_until = now() FROM campaign c
    WHERE c.upload_id = upload.id AND c.status = 'draft' AND lease_until IS NOT NULL
    RETURNING upload.id
"""

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]


def test_workers_that_are_restarted_one_after_the_other_leave_nothing_in_doubt(
    stack: Bench,
) -> None:
    campaign = stack.upload(500, stack.add_agents(16))
    stack.launch(campaign)
    with every(1.5, kill_a_sender(stack, number=signal.SIGTERM)) as restarts:
        stack.until_went(0.9)
    stack.converge()
    truth = stack.truth()

    assert restarts.times >= 2
    assert not broken(truth)
    assert truth.statuses == {"delivered": 500}
    # A warm stop gives back what was not written and records what was.
    assert {message["attempts"] for message in truth.messages} == {1}


def test_a_worker_that_wakes_from_a_long_freeze_sends_nothing_again(stack: Bench) -> None:
    campaign = stack.upload(480, stack.add_agents(16, rate=2))
    stack.launch(campaign)
    stack.until_went(0.1)
    # Longer than the last of RECONCILE_CHECKS: what it held has been given to others by then.
    zombies = [
        threading.Thread(target=freeze(partial(list, [pid]), seconds=14))
        for pid in stack.senders()[:2]
    ]
    for zombie in zombies:
        zombie.start()
    for zombie in zombies:
        zombie.join()
    stack.converge()
    truth = stack.truth()

    assert len(zombies) == 2
    assert not broken(truth)
    assert truth.statuses == {"delivered": 480}


def test_pause_and_cancel_hold_while_workers_are_killed(stack: Bench) -> None:
    paused = stack.upload(240, stack.add_agents(8))
    cancelled = stack.upload(400, stack.add_agents(8))
    stack.launch(paused, cancelled)
    with every(2, kill_a_sender(stack)) as kills:
        stack.until_went(0.2)
        pause_at = _answered(stack, paused, "pause")
        stack.until_went(0.3)
        cancel_at = _answered(stack, cancelled, "cancel")
        threading.Event().wait(3)
        held = stack.truth()
        stack.act(paused, "resume")
        stack.until_went(0.45)
    # That a doubtful call did not go is proved by a text that went later: whatever the kills left
    # of the two campaigns, these go on until the last look.
    later = stack.upload(20, stack.add_agents(1, rate=1))
    stack.launch(later)
    stack.converge()
    truth = stack.truth()

    assert kills.times >= 2
    assert not after_stop(held, paused.phones, at=pause_at, grace=0.5)
    assert not after_stop(truth, cancelled.phones, at=cancel_at, grace=0.5)
    assert not broken(truth)
    assert truth.statuses["cancelled"] > 0
    assert truth.statuses["unknown"] == 0
    assert truth.statuses["delivered"] + truth.statuses["cancelled"] == 660


def test_many_agents_of_many_rates_keep_them_through_kills_and_a_wiped_store(
    stack: Bench,
) -> None:
    agents = [agent for rate in (1, 2, 3, 4, 5) for agent in stack.add_agents(6, rate=rate)]
    crowd = stack.upload(900, agents)
    few = stack.upload(10, agents[-1:])
    stack.launch(crowd)
    stack.until_went(0.1)
    stack.launch(few)
    stack.wait(lambda: _went(stack, few) == 10, "the small campaign beside the large one")
    left = len(crowd.phones) - _went(stack, crowd)
    with every(3, kill_a_sender(stack)) as kills:
        stack.until_went(0.5)
        wipe_broker(stack)()
        stack.until_went(0.8)
    stack.converge()
    truth = stack.truth()

    assert left > 0
    assert kills.times >= 1
    assert not broken(truth)
    assert truth.statuses == {"delivered": 910}


def test_an_import_whose_importer_is_killed_again_and_again_is_whole(stack: Bench) -> None:
    rows = 400_000  # several seconds of importing

    def kill_the_importer() -> bool:
        if not stack.rows(_IS_AT_IT):  # one killed before it has begun never begins
            return False
        importers = [c for pid in stack.pids("scheduler") for c in processes.children(pid)]
        processes.end([c.pid for c in importers], by=signal.SIGKILL, within=1)
        # The lease says that an importer may be silent for half a minute: let it have passed.
        return bool(stack.rows(_LEASE_RUNS_OUT))

    with every(1, kill_the_importer) as kills:
        campaign = stack.upload(rows, stack.add_agents(2), wait=False)
        stack.wait(lambda: kills.times >= 2, "two kills in mid-import")
    stack.wait(lambda: stack.status(campaign) == "ready", "the import")
    found = stack.rows(
        "SELECT count(*), count(DISTINCT r.row), count(DISTINCT r.phone), count(m.id)"
        " FROM recipient r LEFT JOIN message m ON m.recipient_id = r.id"
        " WHERE r.campaign_id = :id",
        id=campaign.id,
    )
    report = stack.api.get(f"/api/campaigns/{campaign.id}")["report"]

    assert tuple(found[0]) == (rows, rows, rows, rows)
    assert (report["rows"], report["accepted"], report["rejected"]) == (rows, rows, 0)


def _answered(stack: Bench, campaign: Campaign, action: str) -> float:
    """Act, and return the instant of the answer."""
    stack.act(campaign, action)
    return clock.unix()


def _went(stack: Bench, campaign: Campaign) -> int:
    query = "SELECT count(*) FROM message WHERE campaign_id = :id AND sent_at IS NOT NULL"
    return int(stack.rows(query, id=campaign.id)[0][0])
