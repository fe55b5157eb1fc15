"""The thread that writes outcomes down, whatever happens to Postgres meanwhile."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from shared.db import session
from shared.db.session import transaction
from shared.ledger import due
from shared.ledger.claim import Claimed, claim
from shared.ledger.evidence import Evidence
from shared.ledger.holds import NewHold
from shared.ledger.record import Doubt, Refusal, Return
from shared.throttle.redis_client import redis
from tests.support import factories
from tests.support.eventually import eventually
from tests.support.factories import change, rows
from tests.support.told import Told
from worker.send import recorder as recorder_module
from worker.send.circuit_breaker import CircuitBreaker
from worker.send.outcomes import Outcome
from worker.send.recorder import Recorder

#: The only campaign of each test.
CAMPAIGN = 1


@pytest.fixture
def continued() -> list[Claimed]:
    """The claims of next parts that the recorder handed back."""
    return []


@pytest.fixture
def recorder(database: str, continued: list[Claimed]) -> Iterator[Recorder]:
    """A recorder that runs."""
    made = recorder_with(lambda claimed, _: continued.extend(claimed))
    made.start()
    yield made
    made.stop(5)


def recorder_with(on_continued: Callable[[list[Claimed], float], None]) -> Recorder:
    return Recorder(boot="test", on_continued=on_continued, breaker=CircuitBreaker(redis()))


def claimed(count: int = 1) -> list[Claimed]:
    """Messages that are `sending`."""
    agent = factories.agent("ann", senders=1)
    campaign = factories.campaign(agent)
    factories.messages(campaign, agent, count)
    with transaction() as connection:
        hints = due.hint(connection, [(campaign, agent, count)], stale=timedelta(seconds=30))
    with transaction() as connection:
        found, refused = claim(
            connection,
            [(hint.message_id, hint.due) for hint in hints],
            by="test",
            reconcile_after=timedelta(seconds=30),
        )
    assert refused == []
    return found


def accepted(one: Claimed, sid: str | None = None) -> Evidence:
    return Evidence(
        one.message_id, one.token, sid or f"SM{one.message_id}", "accepted", source="answer"
    )


def statuses() -> list[str]:
    return [status for (status,) in rows("SELECT status FROM message ORDER BY id")]


def test_every_kind_of_outcome_is_recorded(recorder: Recorder) -> None:
    one, two, three, four = claimed(4)
    found: list[Outcome] = [
        accepted(one),
        Return(two.message_id, two.token, "fence"),
        Refusal(three.message_id, three.token, "not a mobile number", error_code=21614),
        Doubt(four.message_id, four.token, "no answer"),
    ]

    for outcome in found:
        recorder.put(outcome, CAMPAIGN)

    eventually(statuses, becomes=["accepted", "ready", "failed", "sending"], seconds=5)
    told = rows("SELECT outcome FROM attempt ORDER BY message_id")
    eventually(lambda: ("ambiguous",) in rows("SELECT outcome FROM attempt"), seconds=5)
    assert told[:3] == [("accepted",), ("fence",), ("rejected",)]


def test_a_warm_stop_records_what_waits(recorder: Recorder) -> None:
    found = claimed(50)

    for one in found:
        recorder.put(accepted(one), CAMPAIGN)

    assert recorder.stop(5)
    assert statuses() == ["accepted"] * 50


def test_a_hold_is_recorded(recorder: Recorder) -> None:
    agent = factories.agent("ann", senders=1)

    recorder.put_hold(NewHold(agent, "sender", "+14155550001", 21606, None, "Use another number."))

    eventually(lambda: rows("SELECT scope, code FROM hold"), becomes=[("sender", 21606)], seconds=5)


def test_outcomes_are_kept_and_tried_again_while_postgres_is_away(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = claimed(2)
    away = _Away(monkeypatch, times=3)

    recorder.put(accepted(one), CAMPAIGN)
    recorder.put_hold(NewHold(one.agent_key, "country", "+12025550123", 21408, None, "Allow it."))
    eventually(lambda: away.refused >= 1, seconds=5)
    recorder.put(accepted(two), CAMPAIGN)

    eventually(statuses, becomes=["accepted", "accepted"], seconds=5)
    assert away.refused == 3
    assert rows("SELECT scope FROM hold") == [("country",)]


def test_a_database_that_is_away_for_many_tries_is_told_of_when_it_goes_and_is_back(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch, recorder_module)
    recorder = recorder_with(lambda *_: None)
    recorder.start()
    (one,) = claimed(1)
    _Away(monkeypatch, times=3)

    recorder.put(accepted(one), CAMPAIGN)

    eventually(lambda: len(told), becomes=2, seconds=5)
    recorder.stop(5)
    assert told.events == ["record.failed", "record.works_again"]
    assert told[0][1] == {"error": "ConnectionRefusedError", "waiting": 1}
    assert told.failures("record.works_again") == 3


def test_a_connection_that_died_meanwhile_loses_no_outcome(recorder: Recorder) -> None:
    one, two = claimed(2)
    recorder.put(accepted(one), CAMPAIGN)
    eventually(lambda: statuses()[0], becomes="accepted", seconds=5)

    rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    recorder.put(accepted(two), CAMPAIGN)

    eventually(statuses, becomes=["accepted", "accepted"], seconds=5)


@pytest.mark.alone
def test_a_stop_while_postgres_is_away_does_not_hang(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = claimed(1)
    _Away(monkeypatch, times=10_000)

    recorder.put(accepted(one), CAMPAIGN)
    began = time.monotonic()
    recorder.stop(5)

    assert time.monotonic() - began < 3


def test_a_sid_that_is_bound_elsewhere_holds_up_nobody_else(recorder: Recorder) -> None:
    one, two, three = claimed(3)
    recorder.put(accepted(one, "SM0"), CAMPAIGN)
    eventually(lambda: statuses()[0], becomes="accepted", seconds=5)

    recorder.put(accepted(two, "SM0"), CAMPAIGN)
    recorder.put(accepted(three), CAMPAIGN)

    eventually(lambda: statuses()[2], becomes="accepted", seconds=5)
    assert statuses()[1] == "sending"


def test_two_outcomes_with_the_same_new_sid_hold_up_nobody_else(recorder: Recorder) -> None:
    one, two, three = claimed(3)

    _put_together(recorder, [accepted(one, "SM0"), accepted(two, "SM0"), accepted(three)], [])

    eventually(lambda: statuses()[2], becomes="accepted", seconds=5)
    assert sorted(statuses()[:2]) == ["accepted", "sending"]


def test_a_hold_is_not_lost_beside_an_outcome_that_clashes(recorder: Recorder) -> None:
    one, two = claimed(2)
    hold = NewHold(one.agent_key, "sender", "+14155550001", 21606, None, "Use another number.")

    _put_together(recorder, [accepted(one, "SM0"), accepted(two, "SM0")], [hold])

    eventually(lambda: "accepted" in statuses(), seconds=5)
    eventually(lambda: rows("SELECT code FROM hold"), becomes=[(21606,)], seconds=2)


def test_an_outcome_that_postgres_cannot_store_holds_up_nobody_else(recorder: Recorder) -> None:
    one, two = claimed(2)

    recorder.put(Refusal(one.message_id, one.token, "a sentence with a \x00 in it"), CAMPAIGN)
    recorder.put(accepted(two), CAMPAIGN)

    eventually(lambda: statuses()[1], becomes="accepted", seconds=3)


def test_a_bug_in_what_follows_a_record_does_not_end_the_recording(database: str) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("the engine is gone")

    recorder = recorder_with(bug)
    recorder.start()
    one, two = claimed(2)
    change("UPDATE message SET cuts = '{2}' WHERE id = :id", id=one.message_id)

    recorder.put(accepted(one), CAMPAIGN)
    eventually(lambda: rows("SELECT 1 FROM attempt WHERE sid IS NOT NULL") != [], seconds=5)
    time.sleep(0.1)
    recorder.put(accepted(two), CAMPAIGN)

    eventually(lambda: statuses()[1], becomes="accepted", seconds=2)
    recorder.stop(5)


def test_the_next_part_of_a_long_message_is_claimed_with_the_record(
    recorder: Recorder, continued: list[Claimed]
) -> None:
    (one,) = claimed(1)
    change("UPDATE message SET cuts = '{2}', body = 'hello'")

    recorder.put(accepted(one), CAMPAIGN)

    eventually(lambda: len(continued), becomes=1, seconds=5)
    assert (continued[0].part, continued[0].text) == (1, "llo")
    assert continued[0].token != one.token
    assert statuses() == ["sending"]


def _put_together(recorder: Recorder, outcomes: list[Outcome], holds: list[NewHold]) -> None:
    """All in one transaction, as when they came while the last was being written."""
    with recorder._wake:
        recorder._outcomes += outcomes
        recorder._holds += holds
        recorder._wake.notify()


class _Away:
    """Postgres refuses so many transactions of the recorder."""

    def __init__(self, patch: pytest.MonkeyPatch, *, times: int) -> None:
        self.refused = 0
        real = session.retried

        def retried(work: Callable[..., object]) -> object:
            if self.refused < times:
                self.refused += 1
                raise OperationalError("", {}, ConnectionRefusedError())
            return real(work)

        patch.setattr(recorder_module, "retried", retried)
