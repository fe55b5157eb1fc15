"""A campaign's life, as operators move it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from scheduler.campaigns import create as creation
from scheduler.campaigns import lifecycle, retry_failed, stop_sending
from scheduler.campaigns import status as standing
from scheduler.campaigns.create import Created
from scheduler.campaigns.settings import CampaignPatch, CampaignSettings
from scheduler.http.errors import status_of
from scheduler.ingest import uploads
from scheduler.repair import sweeps
from shared import clock
from shared.errors import Refused
from shared.ledger import campaigns as queries
from shared.ledger.claim import Claimed
from tests.support import factories, ledger
from tests.support.environment import environment
from tests.support.ledger import Scene, Waits, state

FILE = b"name,phone\nAna,+12025550100\nBo,+12025550101\nCy,nobody\n"


@pytest.fixture
def agent(database: str) -> int:
    key = factories.agent(id="ann")
    factories.sender(key)
    return key


def create(content: bytes = FILE, **chosen: Any) -> Created:
    given = {"name": "spring", "agent_id": "ann", "message": "Hi {name}"} | chosen
    return creation.create(
        filename="guests.csv", chunks=[content[:9], content[9:]],
        chosen=CampaignSettings(**given), actor="ann",
    )  # fmt: skip


def row(campaign_id: int) -> Any:
    return factories.one("SELECT * FROM campaign WHERE id = :id", id=campaign_id)


def count(table: str) -> int:
    return factories.one(f"SELECT count(*) AS n FROM {table}").n


def audit() -> list[tuple[str, str]]:
    return [(a.action, a.subject) for a in factories.rows("SELECT * FROM audit ORDER BY id")]


MOVES = {
    "launch": lifecycle.launch, "pause": lifecycle.pause, "resume": lifecycle.resume,
    "cancel": lifecycle.cancel, "retry": retry_failed.retry_failed,
}  # fmt: skip


# -- create --------------------------------------------------------------------------------------


def test_an_upload_becomes_a_campaign_ready_to_be_launched(agent: int) -> None:
    made = create()

    found = row(made.campaign_id)
    assert made.fresh
    assert (found.status, found.name, found.mode) == ("ready", "spring", "direct")
    assert (found.report["accepted"], found.report["rejected"]) == (2, 1)
    subject = f"campaign:{made.campaign_id}"
    assert audit() == [("create", subject), ("import", subject)]


def test_the_same_bytes_and_settings_again_are_the_same_campaign(agent: int) -> None:
    first = create()

    again = create()

    assert (again.campaign_id, again.fresh) == (first.campaign_id, False)
    assert (count("campaign"), count("upload"), count("message")) == (1, 1, 2)


@pytest.mark.parametrize("changed", [{"name": "summer"}, {"message": "Hello {name}"}])
def test_other_settings_make_another_campaign(agent: int, changed: dict[str, str]) -> None:
    assert create().campaign_id != create(**changed).campaign_id  # type: ignore[arg-type]


def test_other_bytes_make_another_campaign(agent: int) -> None:
    assert create().campaign_id != create(FILE + b"Di,+12025550102\n").campaign_id


def test_the_same_upload_twice_at_once_is_one_campaign(agent: int) -> None:
    made = [thread.join() for thread in [Waits(create) for _ in range(4)]]

    assert len({one.campaign_id for one in made}) == 1
    assert sum(one.fresh for one in made) == 1
    assert (count("campaign"), count("upload"), count("message")) == (1, 1, 2)


def test_an_upload_that_became_a_campaign_after_all_is_not_dropped(agent: int) -> None:
    """A commit whose answer was lost is tried again, and finds its own campaign."""
    create()
    upload_id = factories.one("SELECT id FROM upload").id

    uploads.drop(upload_id)

    assert count("upload") == 1


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"agent_id": "nobody"}, "agent_not_found"),
        ({"message": " "}, "message_missing"),
        ({"message": "Hi {nmae}"}, "unknown_placeholder"),
        ({"mode": "agent", "message": None, "initial_prompt": "be kind"}, "opener_missing"),
        ({"window": "legal"}, "not_available"),
        ({"phone_column": "fax"}, "unknown_column"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(
    agent: int, chosen: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(**chosen)

    assert refused.value.code == code
    assert (count("campaign"), count("upload"), count("message"), count("lane")) == (0, 0, 0, 0)


def test_a_campaign_that_is_cancelled_while_its_file_is_imported_stands(
    agent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(campaign_id: int, **_: float) -> None:
        lifecycle.cancel(campaign_id, actor="bob")
        raise uploads.LeaseLost

    monkeypatch.setattr(creation, "load", cancelled)

    assert row(create().campaign_id).status == "cancelled"


def test_a_large_file_is_imported_in_the_background(
    agent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Any] = []
    monkeypatch.setattr(creation, "INLINE_LINES", 2)
    monkeypatch.setattr(creation, "publish", published.extend)

    made = create()

    assert row(made.campaign_id).status == "draft"
    assert [job.campaign_id for job in published] == [made.campaign_id]


# -- the life ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "move", "becomes"),
    [
        ("ready", "launch", "running"), ("running", "launch", "running"),
        ("running", "pause", "paused"), ("paused", "pause", "paused"),
        ("paused", "resume", "running"), ("running", "resume", "running"),
        ("scheduled", "launch", "scheduled"),
        ("draft", "cancel", "cancelled"), ("ready", "cancel", "cancelled"),
        ("scheduled", "cancel", "cancelled"), ("running", "cancel", "cancelled"),
        ("paused", "cancel", "cancelled"), ("cancelled", "cancel", "cancelled"),
    ],
)  # fmt: skip
def test_a_campaign_moves_and_repeating_it_is_harmless(
    agent: int, status: str, move: str, becomes: str
) -> None:
    made = factories.campaign(agent, status=status, report={"accepted": 1})

    first = MOVES[move](made, actor="ann")
    second = MOVES[move](made, actor="ann")

    assert first == second == row(made).status == becomes
    assert len(audit()) == (status != becomes)


@pytest.mark.parametrize(
    ("status", "move"),
    [
        ("draft", "launch"), ("paused", "launch"), ("finished", "launch"), ("cancelled", "launch"),
        ("draft", "pause"), ("ready", "pause"), ("scheduled", "pause"), ("finished", "pause"),
        ("cancelled", "pause"), ("ready", "resume"), ("finished", "resume"),
        ("cancelled", "resume"), ("finished", "cancel"), ("draft", "retry"), ("ready", "retry"),
        ("scheduled", "retry"), ("cancelled", "retry"),
    ],
)  # fmt: skip
def test_what_the_life_does_not_allow_is_refused_with_409(
    agent: int, status: str, move: str
) -> None:
    made = factories.campaign(agent, status=status, report={"accepted": 1})

    with pytest.raises(Refused) as refused:
        MOVES[move](made, actor="ann")

    assert status_of(refused.value) == 409
    assert (row(made).status, audit()) == (status, [])


@pytest.mark.parametrize("move", sorted(MOVES))
@pytest.mark.parametrize("nobody", [0, -1, 7, 1 << 40])
def test_a_campaign_that_does_not_exist_is_404(agent: int, move: str, nobody: int) -> None:
    with pytest.raises(Refused) as refused:
        MOVES[move](nobody, actor="ann")

    assert status_of(refused.value) == 404


def test_a_campaign_without_accepted_rows_is_not_launched(agent: int) -> None:
    made = factories.campaign(agent, status="ready", report={"accepted": 0})

    with pytest.raises(Refused, match="No row"):
        lifecycle.launch(made, actor="ann")


def test_a_launch_with_a_future_time_waits_for_it(agent: int) -> None:
    later = clock.now() + timedelta(hours=1)
    made = factories.campaign(agent, status="ready", report={"accepted": 1}, scheduled_at=later)

    assert lifecycle.launch(made, actor="ann") == "scheduled"
    assert row(made).started_at is None


def test_a_campaign_remembers_when_it_first_started(agent: int) -> None:
    made = factories.campaign(agent, status="ready", report={"accepted": 1})
    lifecycle.launch(made, actor="ann")
    started = row(made).started_at

    lifecycle.pause(made, actor="ann", reason="too many complaints")
    paused = row(made)
    lifecycle.resume(made, actor="ann")

    assert (paused.reason, paused.status) == ("too many complaints", "paused")
    assert (row(made).started_at, row(made).reason) == (started, None)


def test_launching_against_the_real_provider_needs_an_address_it_can_reach(agent: int) -> None:
    made = factories.campaign(agent, status="ready", report={"accepted": 1})
    real = {
        "twilio_account_sid": "AC" + "1" * 32,
        "twilio_auth_token": "secret",
        "twilio_api_url": "",
    }

    with environment(**real), pytest.raises(Refused, match="PUBLIC_URL"):
        lifecycle.launch(made, actor="ann")
    with environment(**real, public_url="https://volley.example.org"):
        assert lifecycle.launch(made, actor="ann") == "running"


def test_two_operators_at_once_make_one_move(agent: int) -> None:
    made = factories.campaign(agent, status="ready", report={"accepted": 1})

    for thread in [Waits(lambda: lifecycle.launch(made, actor="ann")) for _ in range(4)]:
        assert thread.join() == "running"

    assert len(audit()) == 1


# -- pause, cancel, stop -------------------------------------------------------------------------


def test_a_pause_changes_no_message_and_a_resume_goes_on(database: str) -> None:
    scene = ledger.Scene()
    waiting, flying = scene.message(), scene.claimed()
    before = state(waiting)

    lifecycle.pause(scene.campaign, actor="ann")

    assert (state(waiting), state(flying.message_id).status) == (before, "sending")
    lifecycle.resume(scene.campaign, actor="ann")
    assert [c.message_id for c in ledger.claim(scene.hint())[0]] == [waiting]


def test_a_cancel_calls_back_everything_unsent_and_nothing_else(database: str) -> None:
    scene = ledger.Scene()
    planned = scene.message(status="planned", segments=0)
    ready, sending, sent = scene.message(), scene.claimed(), scene.message(status="sent")

    lifecycle.cancel(scene.campaign, actor="ann")

    found = [state(m).status for m in (planned, ready, sending.message_id, sent)]
    assert found == ["cancelled", "cancelled", "sending", "sent"]
    assert ledger.give_back(sending) == [(sending.message_id, "cancelled")]


def test_a_cancel_goes_in_batches_and_the_sweep_does_the_rest(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = ledger.Scene()
    wanted = [scene.message() for _ in range(7)]
    some = queries.cancel_some
    monkeypatch.setattr(queries, "cancel_some", lambda c, campaign_id: some(c, campaign_id, most=2))
    monkeypatch.setattr(lifecycle, "_CANCEL_BATCHES", 2)

    lifecycle.cancel(scene.campaign, actor="ann")

    assert [state(m).status for m in wanted].count("cancelled") == 4
    assert sweeps.cancel_unsent() == 3
    assert {state(m).status for m in wanted} == {"cancelled"}


def test_stopping_all_sending_lets_nothing_be_claimed_until_it_is_started_again(
    database: str,
) -> None:
    scene = ledger.Scene()
    scene.message()
    hints = scene.hint()

    stop_sending.stop_sending(actor="ann")
    stop_sending.stop_sending(actor="bob")

    control = factories.one("SELECT * FROM control")
    assert standing.sending().stopped
    assert control.stopped_by == "ann"
    assert [verdict for _, verdict in ledger.claim(hints)[1]] == ["waits"]
    stop_sending.start_sending(actor="ann")
    assert not standing.sending().stopped
    assert len(ledger.claim(scene.hint())[0]) == 1


def test_a_patch_changes_only_what_it_names(agent: int) -> None:
    made = factories.campaign(agent, send_before=clock.now())

    lifecycle.patch(made, CampaignPatch(name="summer", priority="reminder"), actor="ann")
    named = row(made)
    lifecycle.patch(made, CampaignPatch(send_before=None), actor="ann")

    assert (named.name, named.priority, named.send_before is None) == ("summer", 2, False)
    assert (row(made).name, row(made).send_before) == ("summer", None)


# -- retry ---------------------------------------------------------------------------------------


def latest(scene: Scene) -> list[Any]:
    return factories.rows(
        "SELECT * FROM message WHERE campaign_id = :id AND latest ORDER BY id", id=scene.campaign
    )


def fail(
    scene: Scene, code: int = 30003, status: str = "undelivered", **columns: object
) -> Claimed:
    one = scene.claimed(**columns)
    ledger.apply(ledger.said(one.message_id, one.token, status, error_code=code))
    return one


def test_those_that_failed_with_a_retryable_code_get_one_new_message(database: str) -> None:
    scene = ledger.Scene()
    fail(scene)
    fail(scene, code=21211, status="failed")
    scene.message(status="delivered")

    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 1
    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 0

    assert sorted((m.status, m.round) for m in latest(scene)) == [
        ("delivered", 0), ("failed", 0), ("ready", 1),
    ]  # fmt: skip
    assert audit() == [("retry-failed", f"campaign:{scene.campaign}")]


def test_a_retry_that_fails_may_be_retried_in_a_further_round(database: str) -> None:
    scene = ledger.Scene()
    fail(scene)

    for _ in range(2):
        retry_failed.retry_failed(scene.campaign, actor="ann")
        ((again,), _) = ledger.claim(scene.hint())
        ledger.apply(ledger.said(again.message_id, again.token, "failed", error_code=30008))

    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 1
    assert [m.round for m in latest(scene)] == [3]


def test_a_retry_carries_only_the_parts_that_did_not_arrive(database: str) -> None:
    scene = ledger.Scene()
    first = scene.claimed(parts=("one ", "two ", "three"))
    ledger.apply(ledger.said(first.message_id, first.token, "delivered"))
    ledger.refuse(scene.claim(first.message_id), 30008)

    retry_failed.retry_failed(scene.campaign, actor="ann")

    (again,) = latest(scene)
    assert (again.body, again.cuts, again.part, again.segments) == ("two three", [], 0, 1)


def test_a_part_that_may_have_gone_is_not_sent_again(database: str) -> None:
    scene = ledger.Scene()
    first = scene.claimed(parts=("one ", "two"))
    ledger.apply(ledger.said(first.message_id, first.token, "accepted"))
    ledger.park(scene.claim(first.message_id))
    ledger.apply(ledger.said(first.message_id, first.token, "undelivered", error_code=30003))

    retry_failed.retry_failed(scene.campaign, actor="ann")

    assert [m.body for m in latest(scene)] == ["one "]


def test_a_message_of_which_a_former_call_went_is_not_sent_again(database: str) -> None:
    scene = ledger.Scene()
    first = scene.claimed()
    ledger.proved_not_gone(first)
    second = scene.claim(first.message_id)
    ledger.apply(ledger.said(first.message_id, first.token, "delivered"))
    ledger.refuse(second, 30008)

    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 0
    assert [m.round for m in latest(scene)] == [0]


def test_what_a_person_called_failed_is_sent_again_when_that_person_asks_for_it(
    database: str,
) -> None:
    scene = ledger.Scene()
    one = scene.claimed()
    ledger.park(one)
    factories.change("UPDATE message SET status = 'failed'")

    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 1


def test_a_retry_makes_a_finished_campaign_run_again(database: str) -> None:
    scene = ledger.Scene()
    fail(scene)
    sweeps.finish()

    retry_failed.retry_failed(scene.campaign, actor="ann")

    assert (row(scene.campaign).status, row(scene.campaign).finished_at) == ("running", None)
    assert sweeps.finish() == 0


def test_a_retry_that_dies_half_way_leaves_no_message_in_a_finished_campaign(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = ledger.Scene()
    for _ in range(3):
        fail(scene)
    sweeps.finish()
    monkeypatch.setattr(retry_failed, "_RETRY_BATCH", 1)
    some = retry_failed._retry_some
    calls = []

    def dies(connection: Connection, **given: Any) -> Any:
        calls.append(given)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return some(connection, **given)

    monkeypatch.setattr(retry_failed, "_retry_some", dies)
    with pytest.raises(KeyboardInterrupt):
        retry_failed.retry_failed(scene.campaign, actor="ann")

    assert [m.status for m in latest(scene)].count("ready") == 2
    assert row(scene.campaign).status == "running"


def test_retries_at_once_give_everybody_one_message(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_failed, "_RETRY_BATCH", 3)
    scene = ledger.Scene()
    for _ in range(10):
        fail(scene)

    def again() -> int:
        return retry_failed.retry_failed(scene.campaign, actor="ann")

    assert sum(thread.join() for thread in [Waits(again) for _ in range(4)]) == 10
    assert {m.round for m in latest(scene)} == {1}


def test_without_anything_to_retry_a_finished_campaign_stays_finished(database: str) -> None:
    scene = ledger.Scene()
    scene.message(status="delivered")
    sweeps.finish()

    assert retry_failed.retry_failed(scene.campaign, actor="ann") == 0
    assert row(scene.campaign).status == "finished"
    assert audit() == [("finish", f"campaign:{scene.campaign}")]
