"""The table of Twilio's codes: what each means for a message and for those that wait behind it."""

from datetime import UTC, datetime

import pytest

from shared.providers.codes import Code, Disposition, Mark, Scope, Until
from shared.providers.twilio.codes import CODES, look_up

POLICY = (
    "14107 20003 20005 20404 20429 21211 21214 21217 21408 21602 21603 21604 21605 21606 21607 "
    "21608 21609 21610 21611 21612 21614 21617 21618 21620 21623 21624 21654 21655 21656 21659 "
    "21660 21703 21704 21705 21712 30001 30002 30003 30004 30005 30006 30007 30008 30011 30017 "
    "30018 30019 30020 30021 30022 30023 30024 30027 30032 30034 30410 30500 30610 63001 63002 "
    "63003 63007 63008 63009 63010 63012 63015 63016 63018 63024 63032 63033 63038"
)


def test_every_code_of_the_policy_is_in_the_table() -> None:
    assert {int(code) for code in POLICY.split()} == set(CODES)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: str(code.number))
def test_every_code_says_what_happened_and_what_to_do(code: Code) -> None:
    assert code.sentence.endswith((".", ")."))
    assert code.fix.endswith(".")
    assert (code.mark is not None) == (code.scope is Scope.NUMBER)
    assert code.retryable or code.disposition is Disposition.REJECTED


@pytest.mark.parametrize(
    ("number", "scope"),
    [
        (20429, Scope.ACCOUNT), (20003, Scope.ACCOUNT), (21611, Scope.SENDER),
        (21408, Scope.COUNTRY), (21606, Scope.SENDER), (21659, Scope.SENDER),
        (21660, Scope.SENDER), (30032, Scope.SENDER), (30034, Scope.SENDER),
        (21704, Scope.AGENT), (63038, Scope.ACCOUNT),
        (30001, Scope.SENDER), (30022, Scope.SENDER), (30023, Scope.SENDER), (30027, Scope.SENDER),
    ],
)  # fmt: skip
def test_a_throttle_holds_its_own_scope_and_no_other(number: int, scope: Scope) -> None:
    code = look_up(number)

    assert code.holds
    assert code.scope is scope
    assert code.retryable


def test_a_stop_writes_an_opt_out_and_is_never_retried() -> None:
    code = look_up(21610)

    assert (code.mark, code.disposition, code.retryable) == (
        Mark.OPTED_OUT, Disposition.REJECTED, False,
    )  # fmt: skip


def test_a_matter_for_a_person_waits_until_it_is_mended() -> None:
    code = look_up(30034)

    assert code.wait is Until.FIXED
    assert code.seconds(at=datetime(2026, 11, 20, tzinfo=UTC)) is None


@pytest.mark.parametrize("number", [30023, 30027, 63038])
def test_a_daily_cap_ends_at_midnight_in_california(number: int) -> None:
    at = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)  # 23:30 the day before, in Los Angeles

    assert look_up(number).daily
    assert look_up(number).seconds(at=at) == 1800


def test_an_unknown_code_is_kept_as_it_came_and_not_retried() -> None:
    code = look_up(99999)

    assert (code.number, code.known, code.retryable) == (99999, False, False)
    assert code.disposition is Disposition.REJECTED
    assert "99999" in code.sentence
