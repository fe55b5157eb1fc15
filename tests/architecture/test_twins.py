"""What SQL says twice, it says in the same words; and what Python says too, it says with Python.

Statements are written out whole (deploy/docs/decisions/0024), so some of their steps stand in two.
"""

import re
from typing import Final

import pytest
from sqlalchemy.sql.elements import TextClause

from shared.domain import campaign as campaign_life
from shared.domain import message as message_life
from shared.domain.campaign import CampaignStatus
from shared.domain.carrier_day import ZONE
from shared.domain.message import NEXT, RANK, UNSENT, UNTOUCHED, MessageStatus
from shared.ledger import campaigns, due, record, sender_limits
from shared.ledger.claim_statements import CLAIM, CLAIM_WITH_LIMITS
from shared.ledger.evidence_statements import APPLY, APPLY_KEPT, FILL_CODES, FILL_CODES_KEPT
from shared.views import campaigns as campaign_views
from shared.views import messages as message_views
from tests.support.statements import flat, named, steps

# -- statements ----------------------------------------------------------------------------------

#: Two statements, and the only steps in which they differ, or which only one of them has.
TWINS: Final = {
    "claim": (CLAIM, CLAIM_WITH_LIMITS, {"day", "paid", "judged", "charged"}),
    "evidence": (APPLY, APPLY_KEPT, {"taken", "given"}),
    "codes": (FILL_CODES, FILL_CODES_KEPT, {"told"}),
}


@pytest.mark.parametrize("twins", TWINS)
def test_twins_differ_only_in_the_steps_they_are_there_for(twins: str) -> None:
    one, other, differ = TWINS[twins]

    assert differing(one, other) == differ
    assert len(steps(one).keys() & steps(other).keys()) > len(differ)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (record._RETURN, record._REFUSE, {"held", "open"}),
        (due._HINT, sender_limits._HINT, {"want", "due"}),
    ],
    ids=["what a record finds open", "what a hint takes"],
)
def test_statements_that_begin_alike_begin_the_same(
    one: TextClause, other: TextClause, shared: set[str]
) -> None:
    assert shared <= steps(one).keys() & steps(other).keys() - differing(one, other)


def test_the_claim_chooses_the_sender_that_the_hint_has_asked() -> None:
    claim, hint = steps(CLAIM_WITH_LIMITS), steps(sender_limits._HINT)["hinted"]
    choice = re.compile(r"CASE WHEN l\.sender IS NOT NULL .*? cardinality\(p\.numbers\)\] END")
    numbers = re.compile(r"array_agg\(s\.number .*? AS numbers")
    pool = re.compile(r"FROM sender s LEFT JOIN hold h .* u\.segments_per_day(?= WHERE)")

    for what, where in ((choice, "fit"), (numbers, "pool"), (pool, "pool")):
        assert found(what, claim[where]) == found(what, hint)


def test_the_views_of_a_campaign_read_the_same_of_it() -> None:
    report = re.compile(r"(?<=c\.reason, ).*?(?= AS report)")
    which = re.compile(r"(?<= l ON true )WHERE .*")
    views = [flat(v.text) for v in (campaign_views._ONE, campaign_views._PROGRESS,
                                    campaign_views._PAGE)]  # fmt: skip

    assert [found(report, v) for v in views] == ["c.report", "NULL", "c.report - 'rejects'"]
    assert len({which.sub("", report.sub("", v)) for v in views}) == 1
    assert len({found(which, v) for v in views}) == len(views)


def test_one_message_reads_as_it_does_in_a_page_of_them() -> None:
    which = re.compile(r"(?<=a\.key = m\.agent_key )WHERE .*")
    one, page = flat(message_views._ONE.text), flat(message_views._PAGE.text)

    assert which.sub("", one) == which.sub("", page) != one


def differing(one: TextClause, other: TextClause) -> set[str]:
    """The steps that the two do not have alike."""
    these, those = steps(one), steps(other)
    return {name for name in these | those if these.get(name) != those.get(name)}


# -- and Python ----------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", [APPLY, APPLY_KEPT], ids=["told", "kept"])
def test_evidence_moves_a_message_by_its_table_and_ranks_calls_by_theirs(
    statement: TextClause,
) -> None:
    moves = found(re.compile(r"(?<=k\.status IN \().*?(?=\))"), steps(statement)["moved"])
    ranks = found(re.compile(r"(?<=CASE a\.status ).*?(?= END AS old_rank)"),
                  steps(statement)["met"])  # fmt: skip

    assert sorted(words(moves)) == sorted(
        f"{old}>{new}" for old, allowed in NEXT.items() for new in allowed & RANK.keys()
    )
    assert re.findall(r"WHEN '(\w+)' THEN (\d)", ranks) == [(s, str(r)) for s, r in RANK.items()]
    assert re.sub(r"WHEN '\w+' THEN \d ?", "", ranks) == ""


@pytest.mark.parametrize(
    ("statement", "becomes"),
    [
        (campaigns._CANCEL_SOME, MessageStatus.CANCELLED),
        (campaigns._EXPIRE_SOME, MessageStatus.EXPIRED),
    ],
)
def test_what_nobody_was_called_for_ends_as_its_table_says(
    statement: TextClause, becomes: MessageStatus
) -> None:
    listed = found(re.compile(r"(?<=m\.status IN \().*?(?=\))"), steps(statement)["held"])

    assert words(listed) == [old for old in UNTOUCHED if message_life.may_become(old, becomes)]


def test_a_campaign_with_anything_unsent_is_not_finished() -> None:
    quiet, done = flat(campaigns._QUIET.text), flat(campaigns._DONE.text)
    of_campaign = found(re.compile(r"(?<=c\.status IN \().*?(?=\))"), quiet)

    for unsent in (
        found(re.compile(r"(?<=n\.status IN \().*?(?=\))"), quiet),
        found(re.compile(r"(?<=m\.status IN \().*?(?=\))"), done),
    ):
        assert words(unsent) == list(UNSENT)
    assert words(of_campaign) == [
        old for old in CampaignStatus
        if campaign_life.may_become(old, CampaignStatus.FINISHED)
    ]  # fmt: skip


def test_every_statement_counts_the_day_of_the_carriers() -> None:
    zones = {
        name: set(re.findall(r"AT TIME ZONE (\S+?)\)", flat(one.text)))
        for name, one in named().items()
        if "AT TIME ZONE" in one.text
    }

    assert len(zones) >= 8
    assert {name for name, found in zones.items() if found != {f"'{ZONE}'"}} == set()


def found(pattern: re.Pattern[str], sql: str) -> str:
    """The one place where the pattern is."""
    (only,) = pattern.findall(sql)
    return str(only)


def words(listed: str) -> list[str]:
    """The words of a list in SQL: 'a', 'b'."""
    return [word.strip(" '") for word in listed.split(",")]
