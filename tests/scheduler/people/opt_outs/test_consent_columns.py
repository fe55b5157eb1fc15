"""Columns that speak of opting out are read the way they are meant, or not at all."""

import pytest

from scheduler.people.opt_outs.consent_columns import Kind, find, kind_of
from scheduler.people.opt_outs.verdict import Says
from shared.errors import Refused


def says(name: str, *cells: str) -> list[Says]:
    """What each cell of a column means; the column's other cells are these."""
    consent = find(["phone", name], {1: frozenset(cells)})
    assert consent is not None
    return [consent.verdict(["", cell]).says for cell in cells]


@pytest.mark.parametrize(
    "name",
    [
        "opted_out", "optedout", "OptedOut", "Opt-Out", "opt outs", "sms_opt_out", "SMSOptOut",
        "smsoptout", "has_opted_out_of_sms", "Unsubscribed", "unsub", "unsubscribe",
        "is_unsubscribed", "DNC", "dnc_flag", "Do Not Contact", "do_not_text", "DoNotCall",
        "donotcall", "Do not SMS",
        "no_sms", "blacklisted", "Blocked", "suppressed", "abgemeldet", "Désabonné",
        "DND", "DND SMS",
    ],
)  # fmt: skip
def test_yes_in_a_column_for_opting_out_is_an_opt_out(name: str) -> None:
    assert kind_of(name) is Kind.OUT
    assert says(name, "yes", "no", "TRUE", "0") == [Says.OUT, Says.STAYS, Says.OUT, Says.STAYS]


@pytest.mark.parametrize(
    "name",
    [
        "opted_in", "OptedIn", "sms_opt_in", "SMSOptIn", "smsoptin", "text opt-in", "consent",
        "SMS Consent", "sms_consent_given", "consented", "subscribed", "is_subscribed",
        "permission", "Accepts SMS Marketing", "ok_to_text", "can text", "Einwilligung",
        "SMS marketing",
    ],
)  # fmt: skip
def test_yes_in_a_column_for_agreeing_is_no_opt_out_and_no_is_one(name: str) -> None:
    assert kind_of(name) is Kind.IN
    assert says(name, "yes", "No", "1", "false") == [Says.STAYS, Says.OUT, Says.STAYS, Says.OUT]


@pytest.mark.parametrize(
    "name",
    [
        "phone", "name", "stops", "option", "adopting", "contact", "subscriber", "subscriber_id",
        "opt_out_reason", "opt_in_source", "consent_ip", "opt_out_keyword", "email_opt_out",
        "Unsubscribed from newsletter", "opt_in_date", "blocks", "notes",
    ],
)  # fmt: skip
def test_a_column_about_something_else_decides_nothing(name: str) -> None:
    assert kind_of(name) is None


@pytest.mark.parametrize("name", ["opted_out", "sms_opt_in", "status", "Opt-in/Opt-out"])
def test_words_for_the_state_itself_count_whichever_way_the_column_runs(name: str) -> None:
    assert says(name, "opted out", "Opted-In", "UNSUBSCRIBED", "subscribed") == [
        Says.OUT, Says.STAYS, Says.OUT, Says.STAYS,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("opted_out", "maybe"),
        ("opted_out", "2"),
        ("sms_opt_in", ""),
        ("opted_out", "n/a"),
        ("Opt-in/Opt-out", "yes"),
        ("not opted out", "yes"),
        ("no consent", "yes"),
        ("consent revoked", "yes"),
        ("SMS Marketing Status", "Non-subscribed"),
        ("sms_consent", "NEVER_SUBSCRIBED"),
        ("status", "inactive"),
        ("sms status", "pending"),
        ("consent", "unknown"),
        ("unsubscribed_at", "soon"),
    ],
)
def test_a_cell_that_does_not_tell_is_unclear(name: str, cell: str) -> None:
    # A state word beside it, so that a column such as status speaks of opting out at all.
    assert says(name, cell, "opted out")[0] is Says.UNCLEAR


def test_a_blank_is_no_where_the_column_is_ticked_or_dated_and_unclear_elsewhere() -> None:
    assert says("opted_out", "x", "", "X") == [Says.OUT, Says.STAYS, Says.OUT]
    assert says("DNC", "✓", " ") == [Says.OUT, Says.STAYS]
    assert says("opted_out", "yes", "") == [Says.OUT, Says.UNCLEAR]
    assert says("unsubscribed_at", "2026-05-01T09:00:00Z", "", "5/1/2026") == [
        Says.OUT, Says.STAYS, Says.OUT,
    ]  # fmt: skip


def test_a_status_that_never_speaks_of_opting_out_is_no_such_column() -> None:
    assert find(["phone", "status"], {1: frozenset({"lead", "customer", "active"})}) is None
    assert says("status", "Active", "unsubscribed") == [Says.STAYS, Says.OUT]
    assert find(["phone", "Member status"], {1: frozenset({"gold", "unsubscribed"})}) is not None


def test_several_columns_are_read_together_and_a_contradiction_is_unclear() -> None:
    header = ["phone", "opted_out", "sms_opt_in"]
    consent = find(header, {1: frozenset({"yes", "no"}), 2: frozenset({"yes", "no", ""})})
    assert consent is not None

    def told(*cells: str) -> Says:
        return consent.verdict(["", *cells]).says

    assert told("yes", "no") is Says.OUT
    assert told("no", "yes") is Says.STAYS
    assert told("yes", "") is Says.OUT
    assert told("no", "") is Says.UNCLEAR
    assert told("yes", "yes") is Says.UNCLEAR


@pytest.mark.parametrize("name", ["email_opt_out", "HasOptedOutOfEmail", "opt_in_date"])
def test_a_file_whose_only_such_column_is_about_something_else_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        find(["phone", name], {})

    assert refused.value.code == "unclear_opt_out_column"
    assert name in refused.value.message


def test_a_column_about_something_else_is_passed_over_beside_one_that_tells() -> None:
    consent = find(["phone", "email_opt_out", "sms_opt_out"], {2: frozenset({"yes"})})

    assert consent is not None
    assert consent.names == ["sms_opt_out"]
