"""What one call came to, as it is recorded."""

import uuid

import pytest

from shared.ledger.claim import Claimed
from shared.ledger.record import Doubt, Refusal, Return
from shared.providers.base import Accepted
from shared.providers.codes import Scope
from shared.providers.errors import Later, Rejected, SendError, Unknown, Unreachable
from shared.providers.twilio.codes import look_up
from worker.send import outcomes

CLAIMED = Claimed(
    7, 1, 3, 0, uuid.uuid4(), phone="+12025550123", sender="+14155550001", text="hi", parts=1
)


def failed(error: SendError) -> outcomes.Outcome:
    return outcomes.failed(CLAIMED, error)


def test_an_accepted_call_is_evidence_of_its_sid_under_its_token() -> None:
    evidence = outcomes.accepted(CLAIMED, Accepted(sid="SM1", status="accepted", segments=1))

    assert (evidence.message_id, evidence.token, evidence.sid) == (7, CLAIMED.token, "SM1")
    assert (evidence.status, evidence.source) == ("accepted", "answer")


def test_what_was_not_written_is_given_back_and_is_no_attempt() -> None:
    given_back = outcomes.not_sent(CLAIMED, "fence")

    assert given_back == Return(7, CLAIMED.token, "fence", after=0.0, counts=False)


def test_not_now_is_given_back_until_its_time_and_is_no_attempt() -> None:
    later = Later("too many requests", scope=Scope.AGENT, seconds=10.0, row=look_up(20429))

    given_back = failed(later)

    assert isinstance(given_back, Return)
    assert 10.0 <= given_back.after <= 12.5
    assert (given_back.outcome, given_back.counts) == ("throttled", False)
    assert (given_back.error_code, given_back.sentence) == (20429, "too many requests")


def test_messages_that_wait_for_the_same_end_do_not_all_come_back_at_once() -> None:
    later = Later("too many requests", scope=Scope.ACCOUNT, seconds=10.0)

    ends = {given_back.after for _ in range(20) if isinstance(given_back := failed(later), Return)}

    assert len(ends) > 10


def test_what_a_person_must_mend_is_looked_at_again_every_few_minutes() -> None:
    given_back = failed(Later("this sender cannot text", scope=Scope.SENDER, seconds=None))

    assert isinstance(given_back, Return)
    assert given_back.outcome == "held"
    assert 300 <= given_back.after <= 375


def test_a_call_that_could_not_be_written_is_tried_again_within_seconds() -> None:
    given_back = failed(Unreachable("connection refused"))

    assert isinstance(given_back, Return)
    assert 1 <= given_back.after <= 4
    assert (given_back.outcome, given_back.counts) == ("not written", False)


def test_a_refusal_is_the_end_of_the_message_with_the_providers_reason() -> None:
    refused = failed(Rejected("not a mobile number", row=look_up(21614), http_status=400))

    assert refused == Refusal(
        7, CLAIMED.token, "not a mobile number", error_code=21614, http_status=400, suppress=False
    )


def test_a_refusal_that_says_they_opted_out_suppresses_the_number() -> None:
    refused = failed(Rejected("they sent STOP", row=look_up(21610), http_status=400))

    assert isinstance(refused, Refusal)
    assert refused.suppress


@pytest.mark.parametrize("code", [None, 20500])
def test_an_outcome_nobody_saw_is_a_doubt_and_never_a_return(code: int | None) -> None:
    doubt = failed(Unknown("no answer within 10 s", row=code and look_up(code), http_status=500))  # type: ignore[arg-type]

    assert doubt == Doubt(
        7, CLAIMED.token, "no answer within 10 s", error_code=code, http_status=500
    )


@pytest.mark.parametrize(
    ("scope", "subject"),
    [
        (Scope.SENDER, "+14155550001"),
        (Scope.COUNTRY, "+12025550123"),
        (Scope.AGENT, ""),
        (Scope.ACCOUNT, ""),
    ],
)
def test_a_hold_names_what_it_holds(scope: Scope, subject: str) -> None:
    error = Later("it must wait", scope=scope, seconds=60.0, row=look_up(21611))

    held = outcomes.hold_for(CLAIMED, error)

    assert held is not None
    assert (held.agent_key, held.scope, held.subject) == (3, scope.value, subject)
    assert (held.code, held.seconds) == (21611, 60.0)


def test_a_hold_tells_the_mend_of_its_code() -> None:
    error = Later(
        "this sender cannot text there", scope=Scope.SENDER, seconds=None, row=look_up(21606)
    )

    held = outcomes.hold_for(CLAIMED, error)

    assert held is not None
    assert held.fix == "Use a number that can text."
    assert held.seconds is None


def test_a_hold_without_a_code_tells_the_sentence() -> None:
    error = Later("come back later", scope=Scope.ACCOUNT, seconds=5.0)

    held = outcomes.hold_for(CLAIMED, error)

    assert held is not None
    assert (held.code, held.fix) == (0, "come back later")
