"""What a sending process remembers of agents and campaigns, and when it reads them again."""

import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import event, text

from shared.db.session import engine, transaction
from shared.errors import Misconfigured, Refused
from shared.ledger.claim import Claimed
from shared.secrets import seal
from tests.support import factories
from tests.support.factories import ACCOUNT, change
from worker.send import routes
from worker.send.routes import FRESH_FOR, RouteCache

_MOVE = text("UPDATE agent SET account = 'twilio:AC7', credentials = :sealed")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only the test moves."""
    hand = SimpleNamespace(at=1000.0)
    monkeypatch.setattr(routes, "time", SimpleNamespace(monotonic=lambda: hand.at))
    return hand


def claimed(agent: int, campaign: int) -> Claimed:
    return Claimed(1, campaign, agent, 0, uuid.uuid4(), "+12025550123", None, "hi", 1)


def reads(known: RouteCache, *wanted: Claimed) -> int:
    """How many times the database was asked for these."""
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        with transaction() as connection:
            known.refresh(connection, wanted)
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    return len(asked)


def test_agents_that_grow_old_one_after_the_other_are_read_together(
    database: str, clock: SimpleNamespace
) -> None:
    agents = [factories.agent(f"agent-{n}", senders=1) for n in range(5)]
    campaign = factories.campaign(*agents)
    known = RouteCache()
    for agent in agents:
        reads(known, claimed(agent, campaign))
        clock.at += FRESH_FOR / 20
    clock.at += FRESH_FOR * 0.9

    asked = [reads(known, claimed(agent, campaign)) for agent in agents]

    assert asked == [2, 0, 0, 0, 0], "one question for all agents, one for the campaign"


def test_an_agent_that_has_moved_is_read_again_before_its_call(
    database: str, clock: SimpleNamespace
) -> None:
    ann = factories.agent("ann", senders=1)
    campaign = factories.campaign(ann)
    known, call = RouteCache(), replace(claimed(ann, campaign), account=ACCOUNT)
    moved = replace(call, account="twilio:AC7")
    reads(known, call)
    stale = known.route(call).account

    asked = reads(known, call)
    sealed = seal({"account_sid": "AC7", "auth_token": "a token"})
    with transaction() as connection:
        connection.execute(_MOVE, {"sealed": sealed})
    asked_again = reads(known, moved)

    assert (asked, asked_again, stale) == (0, 1, ACCOUNT)
    assert known.route(moved).account == "twilio:AC7"


def test_each_account_is_told_how_many_messages_are_coming(
    database: str, clock: SimpleNamespace
) -> None:
    ann, ben = factories.agent("ann", senders=1), factories.agent("ben", senders=1)
    campaign = factories.campaign(ann, ben)
    known, coming = RouteCache(), [claimed(ann, campaign), claimed(ann, campaign)]
    coming.append(claimed(ben, campaign))
    reads(known, *coming)

    (calls,) = known.accounts_of(coming).values()

    assert calls == 3


def test_an_agent_without_an_account_that_can_be_used_troubles_no_other(database: str) -> None:
    speaks, sealed_elsewhere, not_built = (
        factories.agent(f"agent-{n}", senders=1) for n in range(3)
    )
    campaign = factories.campaign(speaks, sealed_elsewhere, not_built)
    change("UPDATE agent SET credentials = 'x' WHERE key = :key", key=sealed_elsewhere)
    change("UPDATE agent SET provider = 'vonage' WHERE key = :key", key=not_built)
    calls = [claimed(agent, campaign) for agent in (speaks, sealed_elsewhere, not_built)]
    known = RouteCache()
    reads(known, *calls)

    ready, wrong_key, no_provider = calls
    assert known.route(ready).agent.key == speaks
    with pytest.raises(Misconfigured, match="VOLLEY_SECRET_KEY"):
        known.route(wrong_key)
    with pytest.raises(Refused, match="not built yet"):
        known.route(no_provider)
    assert list(known.accounts_of(calls).values()) == [1]
    assert len(known.accounts()) == 1
