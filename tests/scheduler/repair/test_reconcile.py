"""Doubtful calls, decided by what the carrier really lists; the simulator is the carrier."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson
import pytest

from deploy.simulators.twilio.server import Carrier
from scheduler.repair import reconcile
from shared import clock
from shared.db.session import transaction
from shared.domain.message import AttemptStatus
from shared.ledger import attempts_due
from shared.ledger.attempts_due import Check
from shared.ledger.claim import Claimed
from shared.providers.base import Abilities, Listed
from shared.providers.errors import Unreachable
from shared.providers.twilio.adapter import TwilioAdapter
from shared.secrets import seal
from tests.support import factories, ledger
from tests.support.environment import environment
from tests.support.ledger import Scene, attempts, state

QUICK = {
    "latency_ms": 0, "jitter_ms": 0, "sent_ms": (0, 0), "delivered_ms": (0, 0),
    "scripted_numbers": False,
}  # fmt: skip
#: Older than the last of the checks, in seconds.
OLD = 1000


@pytest.fixture
def carrier(database: str) -> Iterator[Carrier]:
    account = "AC" + "0" * 32
    with Carrier(script=QUICK, account_sid=account, auth_token="a token for tests") as running:
        with environment(twilio_api_url=running.url, twilio_account_sid=account):
            yield running


@pytest.fixture
def scene(carrier: Carrier) -> Scene:
    return Scene()


def post(carrier: Carrier, to: str, sender: str | None, body: str = "hello") -> str:
    """A message the carrier took; its SID."""
    account = carrier.account_sid
    form = urlencode({"To": to, "From": sender, "Body": body}).encode()
    secret = base64.b64encode(f"{account}:{carrier.auth_token}".encode()).decode()
    url = f"{carrier.url}/2010-04-01/Accounts/{account}/Messages.json"
    request = Request(url, data=form, headers={"Authorization": f"Basic {secret}"})
    with urlopen(request, timeout=10) as answer:
        return orjson.loads(answer.read())["sid"]


def doubtful(scene: Scene, *, age: float = 40.0, **columns: Any) -> Claimed:
    """A claimed call of that age in seconds that nobody saw the end of; it is to be looked at."""
    one = scene.claimed(**columns)
    ledger.doubt(one)
    look_now(one, age=age)
    return one


def look_now(one: Claimed, *, age: float) -> None:
    factories.change(
        "UPDATE attempt SET check_at = now(), claimed_at = now() - :age * interval '1 s' "
        "WHERE token = :token", age=age, token=one.token,
    )  # fmt: skip


def witness(scene: Scene, carrier: Carrier) -> Claimed:
    """Another message, accepted just now: whatever went before it would be listed too."""
    one = scene.claimed()
    sid = post(carrier, one.phone, one.sender)
    ledger.apply(ledger.said(one.message_id, one.token, "accepted", sid=sid, source="answer"))
    return one


def next_look(one: Claimed) -> float | None:
    """Seconds after the claim; None when nobody looks again."""
    found = factories.one(
        "SELECT extract(epoch FROM check_at - claimed_at)::float AS s FROM attempt "
        "WHERE token = :token", token=one.token,
    )  # fmt: skip
    return found.s


def test_a_call_that_went_is_found_in_the_list_and_bound(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene)
    sid = post(carrier, lost.phone, lost.sender)

    assert reconcile.reconcile() == 1

    row, (attempt,) = state(lost.message_id), attempts(lost.message_id)
    assert attempt.sid == sid
    assert row.status in {"accepted", "sent", "delivered"}
    assert attempt.outcome == "ambiguous, then accepted (listing)"


def test_stored_callbacks_are_applied_before_anything_is_asked(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene)
    ledger.called_back(lost.message_id, lost.token, "delivered")
    carrier.control(list_down=True)

    assert reconcile.reconcile() == 0
    assert state(lost.message_id).status == "delivered"


def test_what_belongs_to_another_call_sender_direction_or_time_is_not_bound(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=40)
    other = scene.claimed(phone=lost.phone)
    bound = post(carrier, lost.phone, lost.sender)
    ledger.apply(ledger.said(other.message_id, other.token, "accepted", sid=bound))
    post(carrier, lost.phone, "+15005550006")

    reconcile.reconcile()

    assert state(lost.message_id).status == "sending"
    assert 100 < next_look(lost) < 125  # type: ignore[operator]


@pytest.mark.parametrize(
    "order", [("first words", "second words"), ("second words", "first words")]
)
def test_the_body_tells_several_calls_to_one_number_apart(
    scene: Scene, carrier: Carrier, order: tuple[str, str]
) -> None:
    factories.change("DELETE FROM sender WHERE number = :n", n=scene.senders.pop())
    first = doubtful(scene, phone="+12025550100", parts=("first words",), age=50)
    second = doubtful(scene, phone="+12025550100", parts=("second words",), age=40)
    sids = {body: post(carrier, "+12025550100", first.sender, body) for body in order}

    reconcile.reconcile()

    assert attempts(first.message_id)[0].sid == sids["first words"]
    assert attempts(second.message_id)[0].sid == sids["second words"]


def test_a_body_the_carrier_has_changed_still_counts_when_it_is_the_only_one(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene)
    sid = post(carrier, lost.phone, lost.sender, "hello, with a shortened link")

    reconcile.reconcile()

    assert attempts(lost.message_id)[0].sid == sid


def test_one_listed_message_is_bound_to_one_of_two_doubts_only(
    scene: Scene, carrier: Carrier
) -> None:
    pair = [doubtful(scene, phone="+12025550100", age=age) for age in (50, 40)]
    factories.change("UPDATE attempt SET sender = :s", s=scene.senders[0])
    post(carrier, "+12025550100", scene.senders[0])

    reconcile.reconcile()

    assert [state(one.message_id).status == "sending" for one in pair] == [False, True]


def test_what_another_scheduler_looks_for_at_the_same_time_is_left_to_it(
    scene: Scene, carrier: Carrier
) -> None:
    older, newer = [doubtful(scene, phone="+12025550100", age=age) for age in (50, 40)]
    factories.change("UPDATE attempt SET sender = :s", s=scene.senders[0])
    sid = post(carrier, "+12025550100", scene.senders[0])
    factories.change(  # as taken by the other: its look-up is under way
        "UPDATE attempt SET check_at = now() + interval '1 h' WHERE token = :t", t=older.token
    )

    looked = reconcile.reconcile()
    meanwhile = state(newer.message_id).status
    look_now(older, age=50)
    reconcile.reconcile()

    assert (looked, meanwhile) == (1, "sending")
    assert attempts(older.message_id)[0].sid == sid
    assert state(newer.message_id).status == "sending"


def test_a_freeze_in_mid_look_does_not_count_as_patience(
    scene: Scene, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = doubtful(scene, age=500)
    look, awake = TwilioAdapter.list_to, SimpleNamespace(now=clock.now)

    async def freezes(*given: Any, **more: Any) -> list[Any]:
        found = await look(*given, **more)
        awake.now = lambda: clock.now() + timedelta(seconds=OLD)
        return found

    monkeypatch.setattr(TwilioAdapter, "list_to", freezes)
    monkeypatch.setattr(reconcile, "clock", awake)
    with environment(on_unknown="resend"):
        reconcile.reconcile()

    assert state(lost.message_id).status == "sending"


def test_a_list_is_read_to_its_last_page(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene, parts=("the very one",))
    sid = post(carrier, lost.phone, lost.sender, "the very one")
    other = scene.claimed(phone=lost.phone)
    for i in range(60):
        post(carrier, lost.phone, "+15005550006", f"newer {i}")

    reconcile.reconcile()

    assert attempts(lost.message_id)[0].sid == sid
    assert state(other.message_id).status == "sending"


def test_what_is_not_found_is_looked_for_again_at_the_times_of_the_setting(
    scene: Scene, carrier: Carrier
) -> None:
    young, older = doubtful(scene, age=35), doubtful(scene, age=500)

    reconcile.reconcile()

    assert [round(next_look(one)) for one in (young, older)] == [120, 900]  # type: ignore[arg-type]
    assert {state(one.message_id).status for one in (young, older)} == {"sending"}


def test_before_the_last_look_not_even_a_witness_proves_anything(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=500)
    witness(scene, carrier)

    reconcile.reconcile()

    assert state(lost.message_id).status == "sending"


def test_at_the_last_look_with_a_witness_it_did_not_go_and_is_sent_again(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=OLD)
    witness(scene, carrier)

    reconcile.reconcile()

    row, (attempt,) = state(lost.message_id), attempts(lost.message_id)
    assert (row.status, row.attempts) == ("ready", 1)
    assert (attempt.status, attempt.outcome) == ("returned", "proved not gone")
    assert next_look(lost) is None


def test_at_the_last_look_without_a_witness_it_is_unknown_and_parked(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=OLD)

    reconcile.reconcile()

    assert state(lost.message_id).status == "unknown"
    assert next_look(lost) is None


def test_a_witness_must_have_been_accepted_after_the_doubtful_call_could_have_been(
    scene: Scene, carrier: Carrier
) -> None:
    other = witness(scene, carrier)
    lost = doubtful(scene, age=OLD)
    look_now(other, age=OLD - 12)  # the fence and the read time-out are 13 s

    reconcile.reconcile()

    assert state(lost.message_id).status == "unknown"


def test_a_witness_that_the_lagging_list_does_not_show_yet_proves_nothing(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=OLD)
    witness(scene, carrier)
    carrier.control(list_lag_seconds=3600)
    post(carrier, lost.phone, lost.sender)

    reconcile.reconcile()

    assert state(lost.message_id).status == "unknown"


def test_a_mutant_without_the_witness_would_send_that_one_twice(
    scene: Scene, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = doubtful(scene, age=OLD)
    carrier.control(list_lag_seconds=3600)
    post(carrier, lost.phone, lost.sender)
    monkeypatch.setattr(reconcile.Witness, "proves_absence_of", lambda *_: True)

    reconcile.reconcile()

    assert state(lost.message_id).status == "ready"


def test_evidence_after_the_verdict_unknown_still_counts(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene, age=OLD)
    reconcile.reconcile()

    ledger.called_back(lost.message_id, lost.token, "delivered")
    reconcile.reconcile()

    assert state(lost.message_id).status == "delivered"


def test_while_the_list_is_down_nothing_is_concluded(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene, age=OLD)
    witness(scene, carrier)
    carrier.control(list_down=True)

    reconcile.reconcile()

    assert state(lost.message_id).status == "sending"
    assert next_look(lost) is not None


def test_a_look_is_leased_so_that_two_sweeps_do_not_ask_twice(
    scene: Scene, carrier: Carrier
) -> None:
    doubtful(scene)
    lease = timedelta(seconds=30)
    with transaction() as connection:
        mine = attempts_due.take(connection, 10, lease=lease)
        theirs = attempts_due.take(connection, 10, lease=lease)

    assert (len(mine), len(theirs)) == (1, 0)
    assert reconcile.reconcile() == 0


def test_after_three_calls_proved_not_gone_it_has_failed(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene, age=OLD)
    witness(scene, carrier)
    seen: list[Any] = []

    while len(seen) < 3:
        reconcile.reconcile()
        seen.append(state(lost.message_id).status)
        if seen[-1] == "ready":
            lost = scene.claim(lost.message_id)
            look_now(lost, age=OLD)

    assert seen == ["ready", "ready", "failed"]


def test_on_unknown_resend_sends_again_without_proof_but_not_for_ever(
    scene: Scene, carrier: Carrier
) -> None:
    lost = doubtful(scene, age=OLD)
    seen: list[Any] = []

    with environment(on_unknown="resend"):
        while len(seen) < 3:
            reconcile.reconcile()
            seen.append(state(lost.message_id).status)
            if seen[-1] == "ready":
                lost = scene.claim(lost.message_id)
                look_now(lost, age=OLD)

    assert seen == ["ready", "ready", "failed"]


def test_a_part_that_is_found_lets_the_next_one_go(scene: Scene, carrier: Carrier) -> None:
    lost = doubtful(scene, parts=("one ", "two"))
    post(carrier, lost.phone, lost.sender, "one ")

    reconcile.reconcile()

    row = state(lost.message_id)
    assert (row.status, row.part) == ("ready", 1)


def test_a_message_sent_through_a_service_is_found_by_its_service(scene: Scene) -> None:
    factories.change("UPDATE agent SET messaging_service_sid = 'MG1'")
    factories.change("DELETE FROM sender")
    lost = doubtful(scene)
    (check,) = taken()

    mine = listed(sender_pool="MG1", sender="+15550001111")
    others = [
        listed(sid="SM2", sender_pool="MG2"),
        listed(sid="SM3", direction="inbound"),
    ]

    assert reconcile._unbound(check, [*others, mine]) == [mine]
    assert lost.sender is None


# -- messages without an end ---------------------------------------------------------------------


def accepted(scene: Scene, carrier: Carrier, *, age: int, checks: int = 0) -> Claimed:
    one = scene.claimed()
    sid = post(carrier, one.phone, one.sender)
    ledger.apply(ledger.said(one.message_id, one.token, "accepted", sid=sid, source="answer"))
    look_now(one, age=age)
    factories.change("UPDATE attempt SET checks = :c WHERE token = :t", c=checks, t=one.token)
    return one


def test_a_message_without_an_end_is_asked_for_by_its_sid(scene: Scene, carrier: Carrier) -> None:
    one = accepted(scene, carrier, age=4000)
    asyncio.run(asyncio.sleep(0.05))

    reconcile.reconcile()

    assert state(one.message_id).status == "delivered"
    assert next_look(one) is None


def test_a_message_that_stays_open_is_asked_for_ever_more_rarely(
    scene: Scene, carrier: Carrier
) -> None:
    carrier.control(sent_ms=(3_600_000, 3_600_000), delivered_ms=(3_600_000, 3_600_000))
    waits = []

    for looks in (0, 1, 2, 10):
        one = accepted(scene, carrier, age=0, checks=looks)
        reconcile.reconcile()
        waits.append(round(next_look(one) / 3600))  # type: ignore[operator]

    assert waits == [2, 4, 8, 24]


def test_polling_ends_a_day_after_the_longest_validity_and_accepted_stays_accepted(
    scene: Scene, carrier: Carrier
) -> None:
    carrier.control(sent_ms=(3_600_000, 3_600_000), delivered_ms=(3_600_000, 3_600_000))
    validity = 36_000 + 86_400
    before = accepted(scene, carrier, age=validity - 60)
    after = accepted(scene, carrier, age=validity + 60)

    reconcile.reconcile()

    assert next_look(before) is not None
    assert next_look(after) is None
    assert {state(one.message_id).status for one in (before, after)} == {"accepted"}


def test_a_sid_the_provider_does_not_know_is_asked_for_again(
    scene: Scene, carrier: Carrier
) -> None:
    one = scene.claimed()
    ledger.apply(ledger.said(one.message_id, one.token, "accepted", sid="SM" + "f" * 32))
    look_now(one, age=4000)

    reconcile.reconcile()

    assert state(one.message_id).status == "accepted"
    assert next_look(one) > 0  # type: ignore[operator]


def test_while_the_provider_is_away_a_poll_concludes_nothing(
    scene: Scene, carrier: Carrier
) -> None:
    one = accepted(scene, carrier, age=4000)
    with away():
        reconcile.reconcile()

    assert state(one.message_id).status == "accepted"
    assert next_look(one) is not None


# -- accounts ------------------------------------------------------------------------------------


def test_an_account_that_cannot_be_asked_does_not_hold_up_the_others(
    scene: Scene, carrier: Carrier
) -> None:
    broken = Scene()
    factories.change(
        "UPDATE agent SET account = 'nobody:1', provider = 'nobody' WHERE key = :k", k=broken.agent
    )
    stuck = doubtful(broken)
    lost = doubtful(scene)
    post(carrier, lost.phone, lost.sender)

    assert reconcile.reconcile() == 2

    assert state(stuck.message_id).status == "sending"
    assert state(lost.message_id).status != "sending"


def elsewhere(scene: Scene) -> None:
    """The agent is given an account of its own, where nothing of it can be found."""
    sealed = seal({"account_sid": "AC7", "auth_token": "a token", "api_url": "http://127.0.0.1:9"})
    factories.change(
        "UPDATE agent SET account = 'twilio:AC7', credentials = :sealed WHERE key = :k",
        sealed=sealed, k=scene.agent,
    )  # fmt: skip


def home(scene: Scene, carrier: Carrier) -> None:
    """The carrier's account is the agent's own, and not the platform's."""
    account = {
        "account_sid": carrier.account_sid, "auth_token": carrier.auth_token,
        "api_url": carrier.url,
    }  # fmt: skip
    factories.change(
        "UPDATE agent SET credentials = :sealed WHERE key = :k", sealed=seal(account), k=scene.agent
    )


@pytest.mark.parametrize("own", [True, False], ids=["an account of its own", "the platform's"])
def test_a_doubt_is_looked_for_where_the_call_was_made_whatever_the_agent_has_now(
    scene: Scene, carrier: Carrier, own: bool
) -> None:
    if own:
        home(scene, carrier)
    lost = doubtful(scene, age=OLD)
    sid = post(carrier, lost.phone, lost.sender)
    elsewhere(scene)

    with environment(twilio_account_sid="AC" + "8" * 32) if own else environment():
        reconcile.reconcile()

    assert [a.sid for a in attempts(lost.message_id)] == [sid]


def test_a_message_is_polled_where_the_call_was_made_whatever_the_agent_has_now(
    scene: Scene, carrier: Carrier
) -> None:
    one = accepted(scene, carrier, age=4000)
    elsewhere(scene)
    asyncio.run(asyncio.sleep(0.05))

    reconcile.reconcile()

    assert state(one.message_id).status == "delivered"


@pytest.mark.parametrize("resend", [False, True])
def test_a_doubt_on_an_account_that_nobody_has_any_more_is_never_proved_not_gone(
    scene: Scene, carrier: Carrier, resend: bool
) -> None:
    """The platform's account was changed in the settings: it cannot be asked any more."""
    young, old, polled = doubtful(scene), doubtful(scene, age=OLD), accepted(scene, carrier, age=99)
    look_now(polled, age=4000)
    on_unknown = "resend" if resend else "park"

    with environment(twilio_account_sid="AC" + "5" * 32, on_unknown=on_unknown):
        assert reconcile.reconcile() == 3

    assert next_look(young) == 120
    assert next_look(polled) > 4000  # type: ignore[operator]
    assert state(old.message_id).status == ("ready" if resend else "unknown")


def test_agents_of_one_account_with_unreadable_credentials_do_not_hold_up_the_others_of_it(
    scene: Scene, carrier: Carrier
) -> None:
    broken = Scene()
    factories.change("UPDATE agent SET credentials = 'nonsense' WHERE key = :key", key=broken.agent)
    stuck = doubtful(broken, age=50)
    lost = doubtful(scene, age=40)
    post(carrier, lost.phone, lost.sender)

    reconcile.reconcile()

    assert state(lost.message_id).status != "sending"
    assert state(stuck.message_id).status == "sending"


def able(*, can_fetch: bool, can_list: bool) -> Abilities:
    return replace(TwilioAdapter.abilities, can_fetch=can_fetch, can_list=can_list)


@contextmanager
def away() -> Iterator[None]:
    """No provider answers."""
    with environment(twilio_api_url="http://127.0.0.1:9", twilio_account_sid="AC" + "0" * 32):
        yield


def taken() -> list[Check]:
    with transaction() as connection:
        return attempts_due.take(connection, 10, lease=timedelta(seconds=30))


def listed(**facts: Any) -> Listed:
    given = {
        "sid": "SM1", "to": "+12025550100", "sender": None, "sender_pool": None,
        "body": "hello", "direction": "outbound-api", "status": AttemptStatus.SENT.value,
        "error_code": None, "created_at": clock.now(),
    }  # fmt: skip
    return Listed(**given | facts)


@pytest.mark.parametrize("resend", [False, True])
def test_a_provider_that_cannot_be_asked_leaves_a_doubt_to_people_and_a_late_message_as_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, resend: bool
) -> None:
    """What it cannot do, it has no method for: a call would be an AttributeError."""
    blind = SimpleNamespace(abilities=able(can_fetch=False, can_list=False))
    monkeypatch.setattr(reconcile, "adapter_for", lambda *_: blind)
    young, old = doubtful(scene), doubtful(scene, age=OLD)
    late = scene.claimed()
    factories.change(
        "UPDATE attempt SET status = 'accepted', sid = 'SM1' WHERE message_id = :id",
        id=late.message_id,
    )
    look_now(late, age=4000)

    with environment(on_unknown="resend" if resend else "park"):
        assert reconcile.reconcile() == 3

    assert next_look(young) == 120
    assert state(old.message_id).status == ("ready" if resend else "unknown")
    assert next_look(late) > 4000  # type: ignore[operator]


def test_a_provider_that_lists_nothing_but_knows_a_message_by_its_id_is_polled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Polled:
        abilities = able(can_fetch=True, can_list=False)

        async def fetch(self, sid: str) -> Listed:
            return listed(sid=sid, status=AttemptStatus.DELIVERED.value)

    monkeypatch.setattr(reconcile, "adapter_for", lambda *_: Polled())
    late = scene.claimed()
    factories.change(
        "UPDATE attempt SET status = 'accepted', sid = 'SM1' WHERE message_id = :id",
        id=late.message_id,
    )
    look_now(late, age=4000)

    assert reconcile.reconcile() == 1

    assert state(late.message_id).status == "delivered"


def test_a_witness_page_that_cannot_be_read_is_no_witness() -> None:
    class Down:
        async def newest(self, limit: int) -> None:
            raise Unreachable("away")

    found = asyncio.run(reconcile._witness(Down()))  # type: ignore[arg-type]

    assert found._seen == []
