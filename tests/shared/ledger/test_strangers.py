"""Callbacks that another account has signed: they change nothing, and everybody can see them."""

import pytest

from shared.db.session import transaction
from shared.ledger import callbacks
from shared.views import timeline
from shared.views.gauges import readings
from tests.support import factories, ledger
from tests.support.ledger import Scene, attempts, called_back, events, said, state

STRANGER = "twilio:AC" + "9" * 32
OPTED_OUT = 21610


def drain() -> int:
    return callbacks.drain(ledger.POLL)


def told(message_id: int) -> list[str]:
    with transaction() as connection:
        story = timeline.timeline(connection, message_id, meaning=lambda *_: "opted out")
    return [entry.text for entry in story if entry.kind in {"callback", "stranger"}]


def strangers() -> int:
    with transaction() as connection:
        return readings(connection).stranger_callbacks


def suppressed() -> int:
    return int(factories.one("SELECT count(*) AS n FROM suppression").n)


@pytest.mark.parametrize("status", ["accepted", "sent", "delivered", "undelivered", "failed"])
@pytest.mark.parametrize("known", [True, False], ids=["sid known", "sid not known"])
def test_a_strangers_callback_moves_nothing_and_writes_no_opt_out(
    scene: Scene, status: str, known: bool
) -> None:
    call = scene.claimed()
    if known:
        ledger.apply(said(call.message_id, call.token, "accepted", source="answer"))
    before = state(call.message_id), attempts(call.message_id)
    called_back(call.message_id, call.token, status, code=OPTED_OUT, account=STRANGER, sid="SMx")

    assert drain() == 1

    assert (state(call.message_id), attempts(call.message_id)) == before
    assert suppressed() == 0
    assert events(call.message_id) == ["stranger"]
    assert strangers() == 1


def test_a_strangers_code_does_not_fill_what_the_provider_left_open(scene: Scene) -> None:
    call = scene.claimed()
    called_back(call.message_id, call.token, "undelivered")
    drain()
    called_back(call.message_id, call.token, "undelivered", code=OPTED_OUT, account=STRANGER)
    drain()

    assert (state(call.message_id).error_code, suppressed()) == (None, 0)

    called_back(call.message_id, call.token, "undelivered", code=OPTED_OUT)
    drain()

    assert (state(call.message_id).error_code, suppressed()) == (OPTED_OUT, 1)


def test_a_stranger_in_the_same_batch_hides_no_genuine_callback(scene: Scene) -> None:
    call = scene.claimed()
    called_back(call.message_id, call.token, "delivered", account=STRANGER)
    called_back(call.message_id, call.token, "sent")
    called_back(call.message_id, call.token, "failed", account=STRANGER, code=OPTED_OUT)

    assert drain() == 3

    assert state(call.message_id).status == "sent"
    assert suppressed() == 0
    assert strangers() == 2


def test_a_stranger_cannot_make_a_call_look_superseded(scene: Scene) -> None:
    first = scene.claimed()
    ledger.proved_not_gone(first)
    second = scene.claim(first.message_id)
    ledger.give_back(second, "throttled")
    called_back(first.message_id, second.token, "accepted", account=STRANGER)
    called_back(first.message_id, first.token, "delivered")

    drain()

    assert state(first.message_id).status == "delivered"
    assert events(first.message_id) == ["stranger"]


def test_an_incident_is_told_once_for_each_call_and_account(scene: Scene) -> None:
    call = scene.claimed()
    for account in (STRANGER, STRANGER, "twilio:AC" + "8" * 32, STRANGER):
        called_back(call.message_id, call.token, "delivered", account=account)
        drain()

    assert events(call.message_id) == ["stranger", "stranger"]
    assert strangers() == 4


def test_the_timeline_says_who_was_not_heard_and_why(scene: Scene) -> None:
    call = scene.claimed()
    called_back(call.message_id, call.token, "delivered", account=STRANGER)
    called_back(call.message_id, call.token, "sent")
    called_back(call.message_id, ledger.uuid.uuid4(), "delivered")  # type: ignore[attr-defined]
    drain()

    lines = sorted(told(call.message_id))

    assert lines == [
        f"Part 1, attempt 1: stranger: {STRANGER} has signed a callback about this call, which was "
        "made with another account: it is kept, and changed nothing.",
        f"twilio reports delivered (a stranger's: {STRANGER} did not make this call; "
        "never applied).",
        "twilio reports delivered (it names no call of ours: never applied).",
        "twilio reports sent.",
    ]


def test_a_callback_counts_by_the_account_of_its_call_whatever_the_agent_has_now(
    scene: Scene,
) -> None:
    call = scene.claimed()
    factories.change("UPDATE agent SET account = :account", account=STRANGER)

    called_back(call.message_id, call.token, "delivered", account=STRANGER)
    drain()
    assert state(call.message_id).status == "sending"
    called_back(call.message_id, call.token, "sent")
    drain()

    assert state(call.message_id).status == "sent"


@pytest.mark.parametrize(
    ("account", "status"), [(factories.ACCOUNT, "sent"), (STRANGER, "sending")]
)
def test_a_call_of_before_accounts_were_kept_is_its_agents(
    scene: Scene, account: str, status: str
) -> None:
    call = scene.claimed()
    factories.change("UPDATE attempt SET account = NULL")

    called_back(call.message_id, call.token, "sent", account=account)
    drain()

    assert state(call.message_id).status == status


def test_agents_of_one_account_share_its_callbacks(scene: Scene) -> None:
    other = ledger.Scene()
    calls = [scene.claimed(), other.claimed()]
    for one in calls:
        called_back(one.message_id, one.token, "sent")

    drain()

    assert {state(one.message_id).status for one in calls} == {"sent"}


def test_what_names_no_call_of_ours_changes_nothing_and_is_no_incident(scene: Scene) -> None:
    call = scene.claimed()
    with transaction() as connection:
        nobody = callbacks.CallbackRow(
            "twilio", call.message_id, 0, None, "SM1", "failed", 3, OPTED_OUT, "{}",
            factories.ACCOUNT,
        )  # fmt: skip
        callbacks.keep(connection, [nobody])
    called_back(call.message_id, ledger.uuid.uuid4(), "failed", code=OPTED_OUT, account=STRANGER)  # type: ignore[attr-defined]

    assert drain() == 2

    assert state(call.message_id).status == "sending"
    assert (events(call.message_id), suppressed(), strangers()) == ([], 0, 0)


def test_a_claim_says_which_account_it_is_called_with(scene: Scene) -> None:
    own = factories.agent(credentials=b"sealed", account=STRANGER)
    factories.sender(own)
    messages = [scene.message(), factories.message(factories.campaign(own), own)]
    due = {
        row.id: row.due
        for row in factories.rows(
            "SELECT id, (extract(epoch FROM due_at) * 1000000)::bigint AS due FROM message"
        )
    }

    with transaction() as connection:
        claimed, _ = ledger.claiming.claim(  # type: ignore[attr-defined]
            connection, list(due.items()), by="w", reconcile_after=ledger.RECONCILE,
            platform="twilio:ACsettings",
        )  # fmt: skip

    found = {one.message_id: one.account for one in claimed}
    kept = dict(factories.rows("SELECT message_id, account FROM attempt"))
    assert found == kept == dict(zip(messages, ("twilio:ACsettings", STRANGER), strict=True))


def test_an_account_that_an_agent_leaves_is_kept_whoever_changes_it(database: str) -> None:
    own = factories.agent(credentials=b"sealed", account=STRANGER)
    factories.agent(account="twilio:ACplatform")
    factories.change("UPDATE agent SET name = 'same account'")
    assert factories.rows("SELECT * FROM former_account") == []

    factories.change("UPDATE agent SET account = 'twilio:ACnew', credentials = 'new'")
    factories.change("UPDATE agent SET account = :a WHERE key = :k", a=STRANGER, k=own)
    factories.change("UPDATE agent SET account = 'twilio:ACx', credentials = NULL")

    kept = factories.rows("SELECT account, credentials FROM former_account ORDER BY account")
    assert [(row.account, bytes(row.credentials)) for row in kept] == [
        (STRANGER, b"new"),
        ("twilio:ACnew", b"new"),
    ]
