"""Who writes a status, and which: only the ledger, and only what the tables of the lives allow."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event, text

from scheduler.campaigns import create as creation
from scheduler.campaigns.settings import CampaignSettings
from shared import clock
from shared.db.session import engine, transaction
from shared.domain import campaign as campaign_life
from shared.domain import message as message_life
from shared.domain.campaign import CampaignStatus
from shared.domain.message import RANK, AttemptStatus, MessageStatus
from shared.domain.wording import word
from shared.ledger import campaigns, claim, evidence, openers, parts, record, repairs, retries
from shared.ledger import unknown as parked
from shared.ledger.evidence import Evidence
from shared.ledger.record import PROVED_NOT_GONE, Refusal, Return
from tests.support import factories, sources, status_writes
from tests.support.status_writes import HOLE, Write, writes

LEDGER: Final = "shared/ledger/"
MIGRATIONS: Final = sorted((sources.ROOT / sources.GENERATED).glob("*.py"))

# -- where ---------------------------------------------------------------------------------------


def test_only_the_ledger_writes_a_status() -> None:
    found = {(sources.name(path), write) for path in _files() for write in _writes(path)}

    assert [each for each in found if not each[0].startswith(LEDGER)] == []
    assert len(found) > 15  # the search itself finds something


def test_no_function_of_the_database_writes_a_status(database: str) -> None:
    functions = factories.rows(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    rules = factories.rows("SELECT rulename FROM pg_rules WHERE schemaname = 'public'")

    assert [(f.proname, w) for f in functions for w in writes(f.prosrc)] == []
    assert {f.proname for f in functions} >= {"keep_former_account", "count_messages_update"}
    assert rules == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE campaign SET status = 'running' WHERE id = 1",
        "update only public.message AS m set due_at = NULL,\n  status = 'ready' FROM held",
        "WITH a AS (SELECT 1) UPDATE attempt a SET n = (SELECT 1 FROM b), status = 'sent'",
        "UPDATE message SET x = a IS DISTINCT FROM b, status = 'sent'",
        "UPDATE message SET (due_at, status) = (NULL, 'sent')",
        "UPDATE message /* a, b */ SET -- FROM here\n status = 'sent'",
        f"UPDATE campaign SET {HOLE} = :value WHERE id = :id",
        f"UPDATE {HOLE} SET status = :value",
        "INSERT INTO message (id, status) VALUES (1, 'ready')",
        "INSERT INTO campaign (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET status = 'ready'",
        "COPY attempt (id, status) FROM STDIN",
        "BEGIN NEW.status := 'ready'; RETURN NEW; END",
    ],
)
def test_the_search_finds_a_status_however_it_is_written(sql: str) -> None:
    assert writes(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE message SET due_at = now() WHERE status = 'ready'",
        "UPDATE message SET due_at = now() FROM held WHERE held.status = 'ready' RETURNING status",
        "UPDATE agent SET status = 'paused'",
        "INSERT INTO campaign_count (status) VALUES ('ready')",
        "SELECT * FROM message WHERE status = 'ready' FOR UPDATE",
        "BEGIN IF NEW.status = 'ready' THEN RETURN NULL; END IF; END",
    ],
)
def test_the_search_takes_nothing_else_for_one(sql: str) -> None:
    assert writes(sql) == []


def test_the_search_finds_what_sqlalchemy_is_asked_to_make(tmp_path: Path) -> None:
    for code in (
        "from sqlalchemy import update\n",
        "import sqlalchemy as sa\nsa.update(x)\n",
        "Message.__table__.update()\n",
        'a = f"UPDATE campaign SET {column} = 1"\n',
        'a = "UPDATE campaign " + "SET status = 1"\n',
        'a = ("UPDATE campaign SET status = {}").format("x")\n',
    ):
        path = tmp_path / "module.py"
        path.write_text(code)
        assert status_writes.in_module(path), code


def _files() -> Iterator[Path]:
    yield from sources.modules()
    yield from MIGRATIONS


def _writes(path: Path) -> list[Write]:
    return status_writes.in_module(path)


# -- which ---------------------------------------------------------------------------------------

#: Notes every status that begins and every one that changes, whoever writes it.
WATCH: Final = """
    CREATE TABLE seen (of text, old text, new text);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen VALUES (TG_TABLE_NAME,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status);
        RETURN NULL;
    END $$;
"""
WATCHED: Final = ("message", "campaign", "attempt")
#: What begins a life.
BEGINS: Final = {
    ("message", "planned"), ("message", "ready"), ("campaign", "draft"), ("attempt", "sending"),
}  # fmt: skip
AGENT_WORDS: Final = word("hello", split_at=1600, smart_encoded=False)


_FIRST: Final = itertools.count(2_000_000_000, 1000)
#: Nobody was called for what has no words yet, or waits for approval.
FILL: Final = (
    """
    INSERT INTO recipient (id, campaign_id, row, phone, country, fields)
    SELECT :first + i, :campaign, i, '+1202' || lpad(i::text, 7, '0'), 1, '{}'
    FROM generate_series(1, cardinality(CAST(:statuses AS text[]))) AS i
    """,
    """
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, token, n, body, cuts,
        encoding, segments, due_at, compose_at)
    SELECT :first + i, :campaign, :agent, :first + i, s, gen_random_uuid(), 1, :body,
        CAST(:cuts AS smallint[]), 'GSM-7', 1, CASE WHEN s = 'ready' THEN now() END,
        CASE WHEN s = 'planned' THEN now() END
    FROM unnest(CAST(:statuses AS text[])) WITH ORDINALITY AS g(s, i)
    """,
    """
    INSERT INTO attempt (message_id, part, n, token, status, claimed_at, claimed_by)
    SELECT m.id, 0, 1, m.token, a, now(), 'test:1'
    FROM unnest(CAST(:called AS text[])) WITH ORDINALITY AS g(a, i)
    JOIN message m ON m.id = :first + i WHERE m.status NOT IN ('draft', 'planned')
    """,
)


class World:
    """Messages in every status there is, each with a call in one of the states of calls."""

    def __init__(self, *, long: bool = False, suppressed: bool = False, **campaign: Any) -> None:
        self.agent = factories.agent()
        factories.sender(self.agent)
        self.campaign = factories.campaign(self.agent, **campaign)
        every = list(itertools.product(MessageStatus, ("sending", "unknown", "accepted")))
        given = {
            "first": next(_FIRST), "campaign": self.campaign, "agent": self.agent,
            "statuses": [status.value for status, _ in every], "called": [c for _, c in every],
            "body": "onetwo" if long else "hello", "cuts": "{3}" if long else "{}",
        }  # fmt: skip
        with transaction() as connection:
            for statement in FILL:
                connection.execute(text(statement), given)
            found = connection.execute(
                text("SELECT id, token FROM message WHERE campaign_id = :campaign ORDER BY id"),
                given,
            )
            self.calls: list[tuple[int, uuid.UUID]] = [(row.id, row.token) for row in found]
        if suppressed:
            factories.change(
                "INSERT INTO suppression (phone, source) SELECT DISTINCT phone, 'test' "
                "FROM recipient WHERE campaign_id = :id ON CONFLICT DO NOTHING", id=self.campaign,
            )  # fmt: skip

    @property
    def ids(self) -> list[int]:
        """Of all its messages."""
        return [message_id for message_id, _ in self.calls]

    def hints(self) -> list[tuple[int, int]]:
        """For all of them; what is not due gets one that can never have been written."""
        due = "coalesce((extract(epoch FROM due_at) * 1000000)::bigint, 0)"
        found = factories.rows(
            f"SELECT id, {due} AS due FROM message WHERE campaign_id = :id", id=self.campaign
        )
        return [(row.id, row.due) for row in found]


def _worlds() -> Iterator[World]:
    yield World()
    yield World(status="cancelled")
    yield World(status="finished")
    yield World(send_before=clock.now())
    yield World(suppressed=True)
    yield World(long=True)


def _claims() -> None:
    for world in _worlds():
        hints = world.hints()
        with transaction() as connection:
            claim.claim(connection, hints, by="test:1", reconcile_after=timedelta(1))


def _gives_back() -> None:
    for world, counts in itertools.product(_worlds(), (True, False)):
        returns = [Return(i, token, PROVED_NOT_GONE, counts=counts) for i, token in world.calls]
        with transaction() as connection:
            record.give_back(connection, returns)


def _refuses_and_parks() -> None:
    for world in _worlds():
        with transaction() as connection:
            record.park(connection, world.calls)
    for world in _worlds():
        with transaction() as connection:
            record.refuse(connection, [Refusal(i, token, "no") for i, token in world.calls])


def _hears() -> None:
    for status in [status for status, rank in RANK.items() if rank]:
        for world in (World(), World(long=True)):
            said = [Evidence(i, token, f"SM{token.hex}", status) for i, token in world.calls]
            with transaction() as connection:
                evidence.apply(connection, said, poll_after=timedelta(1))


def _settles() -> None:
    for called in AttemptStatus:
        world = World(long=True, status="finished")
        factories.change("UPDATE attempt SET status = :to", to=called)
        factories.change("DELETE FROM seen")
        with transaction() as connection:
            parts.settle(connection, world.ids)


def _words() -> None:
    world = World()
    with transaction() as connection:
        openers.freeze(connection, [(i, AGENT_WORDS) for i in world.ids])
    for message_id in World().ids:
        with transaction() as connection:
            openers.cancel(connection, message_id, "no words")


def _stops() -> None:
    world = World()
    with transaction() as connection:
        campaigns.cancel_some(connection, world.campaign)
    World(send_before=clock.now())
    with transaction() as connection:
        campaigns.expire_some(connection)


def _decides() -> None:
    for decision in ("resend", "failed"):
        world = World()
        with transaction() as connection:
            parked.resolve(connection, world.campaign, decision, reason="x", actor="ann")


def _moves_campaigns() -> None:
    for old, new in itertools.product(CampaignStatus, CampaignStatus):
        made = factories.campaign(factories.agent(), status=old)
        try:
            with transaction() as connection:
                campaigns.move(connection, made, new, action="test")
        except campaigns.ForbiddenMove:
            continue


def _begins() -> None:
    factories.sender(factories.agent(id="ann"))
    creation.create(
        filename="a.csv", chunks=[b"phone\n+12025550100\n"], actor="ann",
        chosen=CampaignSettings(name="a", agent_id="ann", message="hi"),
    )  # fmt: skip
    world = World(report={"accepted": 100})
    factories.recipient(world.campaign)
    with transaction() as connection:
        retries.send_again(connection, [(i, AGENT_WORDS) for i in world.ids])
        assert repairs.fill_holes(connection) == 1


#: Every way to write a status. A new one belongs here, or the test below fails.
WAYS: Final[tuple[Callable[[], None], ...]] = (
    _claims, _gives_back, _refuses_and_parks, _hears, _settles, _words, _stops, _decides,
    _moves_campaigns, _begins,
)  # fmt: skip


@pytest.fixture
def watched(database: str) -> None:
    """Every status that is written is seen."""
    with transaction() as connection:
        connection.execute(text(WATCH))
        for table in WATCHED:
            connection.execute(
                text(
                    f"CREATE TRIGGER seen_{table} AFTER INSERT OR UPDATE OF status ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION see()"
                )
            )


@pytest.mark.usefixtures("watched")
def test_every_statement_that_writes_a_status_writes_what_its_life_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is run against messages in every status, with calls in every state to be found."""
    built, ran = World.__init__, list[str]()

    def unseen(world: World, **given: Any) -> None:
        built(world, **given)
        factories.change("DELETE FROM seen WHERE old IS NULL")  # what the test itself wrote

    def note(_connection: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        ran.append(status_writes.plain(sql))

    monkeypatch.setattr(World, "__init__", unseen)
    event.listen(engine(), "before_cursor_execute", note)
    try:
        for way in WAYS:
            way()
            seen = [tuple(row) for row in factories.rows("SELECT DISTINCT of, old, new FROM seen")]
            assert [move for move in seen if not _allowed(*move)] == [], way
            assert [move for move in seen if move[1] != move[2]], way
            factories.change("DELETE FROM seen")
    finally:
        event.remove(engine(), "before_cursor_execute", note)

    said = {w.words for path in _files() for w in _writes(path) if not w.words.startswith("COPY")}
    every = "\n".join(ran)
    assert [words for words in sorted(said) if words not in every] == []


def _allowed(of: str, old: str | None, new: str) -> bool:
    if old == new:
        return True
    if old is None:
        return (of, new) in BEGINS or of == "campaign"  # those that a test makes
    if of == "attempt":
        return RANK[new] >= RANK[old]
    life = {"message": message_life, "campaign": campaign_life}[of]
    return life.may_become(old, new)
