"""Each guard holds in the scenario it is there for; and the scenario fails without it (row 21)."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from scheduler.http.callbacks.edge import CallbackEdge
from shared.db.session import transaction
from shared.ledger import callbacks, record
from shared.ledger.claim import claim
from shared.ledger.record import PROVED_NOT_GONE, Return
from tests.chaos.lab import Lab, freezing, laboratory
from tests.chaos.mutants import MUTANTS, without_guard
from tests.support.factories import rows

pytestmark = [pytest.mark.chaos, pytest.mark.alone]


@pytest.fixture
def lab(database: str) -> Iterator[Lab]:
    with laboratory() as made:
        yield made


def redelivered_releases(lab: Lab) -> list[Any]:
    """The broker gives every release to two workers."""
    first, second = lab.engine(), lab.engine()
    lab.add(20)
    lab.dispatch(first, second)
    return lab.went_twice() if lab.run(first) else ["lost for ever"]


def a_return_from_a_worker_given_up_for_dead(lab: Lab) -> list[Any]:
    """A call is proved not gone and made again; then the first worker wakes and gives it back."""
    lab.add(1)
    frozen = lab.claim()
    assert frozen is not None
    _give_back(Return(frozen.message_id, frozen.token, PROVED_NOT_GONE, counts=True))
    under_way = lab.claim()
    assert under_way is not None and under_way.token != frozen.token
    _give_back(Return(frozen.message_id, frozen.token, "fence"))
    again = lab.claim()
    return [again] if again else []


def a_list_that_lags(lab: Lab) -> list[Any]:
    """Calls that were accepted and answered 500 are not listed before the verdict."""
    engine = lab.engine()
    lab.carrier.control(fault_rates={"500_after": 1}, list_lag_seconds=60)
    doubtful = lab.add(5)
    lab.dispatch_calls(engine, len(doubtful))
    lab.carrier.control(fault_rates={})
    lab.add(10)
    lab.run(engine)
    return lab.went_twice()


def a_worker_that_freezes_before_the_write(lab: Lab) -> list[Any]:
    """It wakes after its message was proved not gone and sent by another."""
    zombie, other = lab.engine(), lab.engine()
    thaw = threading.Event()
    lab.add(1)
    with freezing(zombie, until=thaw) as stands:
        try:
            lab.dispatch(zombie)
            assert stands.wait(10)
            threading.Event().wait(0.5)  # the fence and the read time-out: now others bear witness
            lab.add(10)
            everybody = lab.run(other)
        finally:
            thaw.set()
    zombie.stop(5)
    return lab.went_twice() or ([] if everybody else ["nobody sent it"])


def a_release_that_is_lost(lab: Lab) -> list[Any]:
    """The broker forgets all that was released to it."""
    engine = lab.engine()
    lab.add(5)
    lab.dispatch()
    return [] if lab.run(engine, seconds=5) else ["lost for ever"]


def a_forged_callback(lab: Lab) -> list[Any]:
    """A stranger who knows the address says that the message failed."""
    lab.add(1)
    claimed = lab.claim()
    assert claimed is not None
    query = urlencode({"m": claimed.message_id, "p": 0, "a": claimed.token.hex})
    form = {
        "AccountSid": lab.carrier.account_sid, "MessageSid": "SM" + "0" * 32,
        "MessageStatus": "failed", "ErrorCode": "30008",
    }  # fmt: skip
    asyncio.run(_post(query, urlencode(form).encode()))
    callbacks.drain(timedelta(seconds=1))
    return list(rows("SELECT status FROM message WHERE status <> 'sending'"))


SCENARIOS: Final[Mapping[str, Callable[[Lab], list[Any]]]] = {
    "no claim guard": redelivered_releases,
    "no token check": a_return_from_a_worker_given_up_for_dead,
    "no witness": a_list_that_lags,
    "no fence": a_worker_that_freezes_before_the_write,
    "no sweep": a_release_that_is_lost,
    "no signature": a_forged_callback,
}


_DUE = "SELECT id, (extract(epoch FROM due_at) * 1000000)::bigint AS due FROM message ORDER BY id"


def test_every_mutant_has_a_scenario() -> None:
    assert SCENARIOS.keys() == MUTANTS.keys()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.__name__)
def test_the_promise_holds_in(scenario: Callable[[Lab], list[Any]], lab: Lab) -> None:
    assert not scenario(lab)


@pytest.mark.parametrize("guard", SCENARIOS)
def test_the_promise_breaks_with(guard: str, lab: Lab) -> None:
    with without_guard(guard):
        broken = SCENARIOS[guard](lab)

    assert broken


def test_a_release_twice_in_one_worker_is_claimed_once_and_spoils_no_other_claim(lab: Lab) -> None:
    ids = lab.add(3)
    due = {row.id: row.due for row in rows(_DUE)}

    with transaction() as connection:
        hints = [(ids[0], due[ids[0]]), *due.items()]
        claimed, refused = claim(connection, hints, by="a", reconcile_after=timedelta(seconds=1))

    assert [one.message_id for one in claimed] == ids
    assert not refused


def _give_back(returned: Return) -> None:
    with transaction() as connection:
        record.give_back(connection, [returned])


async def _post(query: str, body: bytes) -> None:
    edge = CallbackEdge()
    await edge.start()
    scope = {
        "method": "POST", "path": "/twilio/status", "root_path": "", "query_string": query.encode(),
        "headers": [
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"x-twilio-signature", b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(_: Any) -> None:
        return

    try:
        await edge(scope, receive, send)
    finally:
        await edge.stop()
