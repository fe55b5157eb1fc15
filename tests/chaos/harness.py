"""A real stack with short budgets, campaigns on it, and the truth to judge them by.

Everything runs as in `volley up`: processes of their own, real Postgres and Valkey, the carrier
simulator. Only the budgets are shorter, so that what takes minutes of patience takes seconds.
"""

import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import requests
from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from deploy.demo import proof
from deploy.demo.run import Api
from deploy.local.running import Stack
from deploy.local.stack import running_stack
from deploy.local.system import pid_table, processes
from shared.db.session import connect
from shared.errors import Refused
from shared.settings import Settings
from tests.chaos.invariants import Truth
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import TooLate, eventually
from tests.support.stopwatch import prefer

#: Seconds instead of minutes. The witness rule needs FENCE + read time-out = 4 s of later traffic.
BUDGETS: Final[Mapping[str, str]] = {
    "VOLLEY_HTTP_TIMEOUT": "2,3",
    "VOLLEY_FENCE": "1",
    "VOLLEY_RECONCILE_AFTER": "5",
    "VOLLEY_RECONCILE_CHECKS": "5,8,12",
    "VOLLEY_POLL_AFTER": "4",
    "VOLLEY_RELEASE_STALE_AFTER": "5",
}
#: How long a wait may take before it is a failure: the machine may be slow, a hang is a hang.
PATIENCE: Final = 240.0
#: A word in every body and every first name: neither may turn up in the broker or in a log.
CANARY: Final = "Quetzalwing"
MESSAGE: Final = f"Hello {{first_name}}, the {CANARY} clinic will see you on Monday."
#: A message in one of these has not come to its end.
OPEN: Final = ("draft", "planned", "ready", "sending", "accepted", "sent")

#: What each message went through, written by the ledger itself: a sample could miss a status.
HISTORY = """
    CREATE TABLE IF NOT EXISTS chaos_message_history
        (seq bigint GENERATED ALWAYS AS IDENTITY, id bigint, old text, new text);
    CREATE TABLE IF NOT EXISTS chaos_sid_history
        (seq bigint GENERATED ALWAYS AS IDENTITY, id bigint, part int, n int, old text, new text);
    CREATE OR REPLACE FUNCTION chaos_note_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO chaos_message_history (id, old, new) VALUES (NEW.id, OLD.status, NEW.status);
        RETURN NULL; END $$;
    CREATE OR REPLACE FUNCTION chaos_note_sid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO chaos_sid_history (id, part, n, old, new)
        VALUES (NEW.message_id, NEW.part, NEW.n, OLD.sid, NEW.sid);
        RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER chaos_message AFTER UPDATE ON message FOR EACH ROW
        WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION chaos_note_message();
    CREATE OR REPLACE TRIGGER chaos_sid AFTER UPDATE ON attempt FOR EACH ROW
        WHEN (OLD.sid IS NOT NULL AND OLD.sid IS DISTINCT FROM NEW.sid)
        EXECUTE FUNCTION chaos_note_sid();
"""


@dataclass(frozen=True)
class Campaign:
    """An uploaded campaign and whom it is for."""

    id: int
    phones: Sequence[str]


@dataclass
class Bench:
    """One running stack and what was put on it."""

    stack: Stack
    api: Api
    engine: Engine
    #: sender number → the rate of the agent whose only sender it is
    rates: dict[str, float] = field(default_factory=dict)
    campaigns: list[Campaign] = field(default_factory=list)
    #: number agents and files, so that tests on one stack never share an agent or a phone number
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _files: "itertools.count[int]" = field(default_factory=itertools.count)

    def begin(self) -> None:
        """Forget the campaigns of an earlier test here, and set the carrier's dials back."""
        for campaign in self.campaigns:
            with contextlib.suppress(Refused):
                self.act(campaign, "cancel")
        self.campaigns.clear()
        with Redis.from_url(self.stack.redis_url) as redis:
            redis.flushall()  # holds, and the slower pace after a 429
        self.carrier(
            latency_ms=50, jitter_ms=10, callback_delay_ms=0, fault_rates={}, callbacks={},
            list_lag_seconds=0, list_down=False, concurrency_limit=1000, storm_429_until=0,
            retry_after=None, scripted_numbers=False,
        )  # fmt: skip

    def add_agents(self, count: int, *, rate: float = 5) -> list[str]:
        """Agents of that rate, each with one sender of its own; returns their ids."""
        made = []
        for _ in range(count):
            n = next(self._numbers)
            sender = f"+1555100{n:04d}"
            wanted = {
                "id": f"agent-{n}",
                "provider": "twilio",
                "sessions_per_second": rate,
                "senders": [sender],
            }
            self.api.post("/api/agents", json=wanted)
            self.rates[sender] = float(rate)
            made.append(str(wanted["id"]))
        return made

    def upload(
        self, rows: int, agents: Sequence[str], *, wait: bool = True, **chosen: Any
    ) -> Campaign:
        """A campaign of so many recipients, each with a number of its own.

        `chosen` are further settings of the campaign; without `wait` it may still be imported.
        """
        first = next(self._files) * 60_000
        phones = [f"+1555{first + i:07d}" for i in range(rows)]
        lines = [f"{CANARY}{i},{phone}" for i, phone in enumerate(phones)]
        content = "\n".join(["first_name,phone", *lines]).encode()
        wanted = {"name": f"chaos {first}", "agent_ids": list(agents), "window": "always"}
        answer = self.api.post(
            "/api/campaigns",
            files={"file": ("people.csv", content)},
            data={"settings": json.dumps(wanted | {"message": MESSAGE} | chosen)},
        )
        campaign = Campaign(answer["id"], phones)
        self.campaigns.append(campaign)
        if wait:
            self.wait(lambda: self.status(campaign) != "draft", "the import")
        return campaign

    def launch(self, *campaigns: Campaign) -> None:
        """Start them."""
        for campaign in campaigns:
            self.act(campaign, "launch")

    def act(self, campaign: Campaign, action: str) -> None:
        """launch, pause, resume or cancel; raises what the API refuses."""
        self.api.post(f"/api/campaigns/{campaign.id}/{action}")

    def status(self, campaign: Campaign) -> str:
        """The campaign's status."""
        return str(self.api.get(f"/api/campaigns/{campaign.id}")["status"])

    def counts(self) -> Counter[str]:
        """Messages of all campaigns by status: a real count."""
        ids = [campaign.id for campaign in self.campaigns]
        query = "SELECT status, count(*) FROM message WHERE campaign_id = ANY (:ids) GROUP BY 1"
        return Counter({row[0]: row[1] for row in self.rows(query, ids=ids)})

    def went(self) -> int:
        """How many messages have been accepted so far, as the ledger knows."""
        counts = self.counts()
        return sum(counts[status] for status in ("accepted", "sent", "delivered", "undelivered"))

    def called_back(self) -> Counter[str]:
        """How the carrier's callbacks were answered, by HTTP status, since the carrier started."""
        answer = requests.get(f"{self.stack.carrier_url}/stats", timeout=10)
        return Counter(answer.json()["post_answers"])

    def wait(
        self, condition: Callable[[], object], what: str, *, seconds: float = PATIENCE
    ) -> None:
        """Wait until it is true; what fails meanwhile because a server is away is asked again."""
        away = (requests.RequestException, Refused, DBAPIError)
        eventually(condition, what, seconds=seconds, every=0.1, despite=away)

    def until_went(self, share: float) -> None:
        """Wait until that share of all messages has been accepted."""
        total = sum(len(campaign.phones) for campaign in self.campaigns)
        self.wait(
            lambda: self.went() >= share * total,
            f"{share:.0%} of {total} messages to go",
            seconds=PATIENCE + total / 10,
        )

    def converge(self, *, seconds: float = PATIENCE) -> float:
        """Wait until everybody has an end and every campaign is over; returns the seconds."""
        began = time.monotonic()

        def over() -> bool:
            counts = self.counts()
            return not any(counts[status] for status in OPEN) and all(
                self.status(campaign) in {"finished", "cancelled"} for campaign in self.campaigns
            )

        try:
            self.wait(over, "an end for everybody", seconds=seconds)
        except TooLate as error:
            raise TooLate(f"{error}; as the ledger knows: {dict(self.counts())}") from None
        return time.monotonic() - began

    def truth(self) -> Truth:
        """All that the invariants look at."""
        messages = [m for campaign in self.campaigns for m in self.api.messages(campaign.id)]
        ours = {int(message["id"]) for message in messages}
        attempts = self.rows("SELECT * FROM attempt WHERE message_id = ANY (:ids)", ids=list(ours))
        moves = self.rows("SELECT id, old, new FROM chaos_message_history ORDER BY seq")
        rebound = self.rows("SELECT id, part, n, old, new FROM chaos_sid_history")
        return Truth(
            log=[entry for entry in proof.read(self.api.carrier_log()) if entry.message_id in ours],
            messages=messages,
            attempts=[dict(row._mapping) for row in attempts],
            moves=[(row.id, row.old, row.new) for row in moves if row.id in ours],
            rebound=[tuple(row) for row in rebound if row.id in ours],
            phones=[phone for campaign in self.campaigns for phone in campaign.phones],
            rates=dict(self.rates),
        )

    def carrier(self, **dials: Any) -> None:
        """Turn the carrier's dials."""
        answer = requests.post(f"{self.stack.carrier_url}/control", json=dials, timeout=10)
        answer.raise_for_status()

    def rows(self, query: str, **values: object) -> Sequence[Any]:
        """What a query on the ledger finds."""
        with self.engine.begin() as connection:
            return connection.execute(text(query), values).fetchall()

    def pids(self, name: str) -> list[int]:
        """The pids that run now under names that begin so: `worker-`, `api`, `postgres` …"""
        return [
            entry.pid
            for entry in pid_table.read(self.stack.data_dir)
            if entry.name.startswith(name) and processes.born(entry.pid) == entry.born
        ]

    def senders(self) -> list[int]:
        """The pids of the sending workers that run now."""
        tending = set(self.pids("worker-tending"))
        return [pid for pid in self.pids("worker-") if pid not in tending]


@contextlib.contextmanager
def bench(
    *,
    workers: int = 3,
    schedulers: int = 1,
    flower: bool = False,
    env: Mapping[str, str] | None = None,
    seen_as: Mapping[str, Any] | None = None,
) -> Iterator[Bench]:
    """A stack of its own with short budgets, thrown away at the end.

    `env` are further settings; `seen_as` are addresses that we use instead of the stack's own.
    """
    chosen = [f"--workers={workers}", f"--schedulers={schedulers}", "--port=0"]
    chosen += [] if flower else ["--no-flower"]
    environment = clean_environment() | dict(BUDGETS) | dict(env or {})
    with temporary_data_dir() as data_dir, contextlib.ExitStack() as afterwards:
        stack = afterwards.enter_context(
            running_stack(data_dir=data_dir, options=chosen, env=environment, seconds=120)
        )
        stack = replace(stack, **dict(seen_as or {}))
        engine = connect(stack.database_url)
        afterwards.callback(engine.dispose)
        with engine.begin() as connection:
            connection.exec_driver_sql(HISTORY)
        made = Bench(stack, Api(stack), engine)
        for pid in made.pids("carrier"):
            prefer(pid)
        made.begin()
        yield made


def clean_environment() -> dict[str, str]:
    """No setting of this machine may lead a test to a real database or a real carrier."""
    unset = {f"VOLLEY_{name.upper()}": "" for name in Settings.model_fields}
    return unset | {"VOLLEY_ENV_FILE": "", "VOLLEY_LOG_FORMAT": "json"}
