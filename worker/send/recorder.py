"""Record outcomes, together, in a thread of their own: one transaction for all that are waiting.

What cannot be recorded now (Postgres restarts) waits in memory and is tried again; if this process
dies meanwhile, callbacks and the sweep find out by themselves.
"""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from shared import metrics
from shared.db.session import retried
from shared.ledger import evidence, parts, record
from shared.ledger import holds as agents
from shared.ledger.claim import Claimed, claim
from shared.ledger.evidence import Evidence
from shared.ledger.holds import NewHold
from shared.ledger.record import Doubt, Refusal, Return
from shared.logging import get_logger
from shared.outage import Outage
from shared.providers.accounts import platform_account
from shared.settings import settings
from worker.send.circuit_breaker import CircuitBreaker
from worker.send.outcomes import Outcome

log = get_logger(__name__)

#: One transaction for all outcomes of so many seconds: a record costs as much for one as for ten.
GATHER = 0.04


class Recorder(threading.Thread):
    """Takes outcomes from the sending loop; hands back the claims of parts that come next."""

    def __init__(
        self,
        *,
        boot: str,
        on_continued: Callable[[list[Claimed], float], None],
        breaker: CircuitBreaker,
    ) -> None:
        super().__init__(name="recorder", daemon=True)
        self._boot = boot
        self._on_continued = on_continued
        self._breaker = breaker
        self._wake = threading.Condition()
        self._outcomes: list[Outcome] = []
        self._calls: list[tuple[int, bool]] = []
        self._holds: list[NewHold] = []
        self._stopping = False
        self._claims = True
        self._postgres = Outage(log, away="record.failed", back="record.works_again")

    def put(self, outcome: Outcome, campaign_id: int) -> None:
        """An outcome to record; returns at once."""
        with self._wake:
            self._outcomes.append(outcome)
            if isinstance(outcome, Evidence):
                self._calls.append((campaign_id, False))
            elif isinstance(outcome, Refusal) and not outcome.suppress:  # an opt-out is no fault
                self._calls.append((campaign_id, True))
            self._wake.notify()

    def put_hold(self, held: NewHold | None) -> None:
        """A scope to hold, if there is one; returns at once."""
        if held is None:
            return
        with self._wake:
            self._holds.append(held)
            self._wake.notify()

    def claim_no_more(self) -> None:
        """The sending loop ends: the next parts of messages stay ready, for others."""
        self._claims = False

    def stop(self, timeout: float) -> bool:
        """Record what is waiting and end; False when it could not within `timeout` seconds."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self.join(timeout)
        return not self.is_alive()

    def run(self) -> None:
        """Until stopped: take all that waits, record it, again. No error ends the loop."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._outcomes or self._holds or self._stopping)
            time.sleep(GATHER)
            with self._wake:
                outcomes, self._outcomes = self._outcomes, []
                holds, self._holds = self._holds, []
                calls, self._calls = self._calls, []
            if not outcomes and not holds:
                return
            try:
                self._record(outcomes, holds)
                self._breaker.watch(calls)
                self._postgres.answered()
            except DBAPIError as error:
                metrics.loop_failures.labels("recorder").inc()
                self._postgres.failed(error.orig or error, waiting=len(outcomes))
                with self._wake:
                    self._outcomes[:0] = outcomes
                    self._holds[:0] = holds
                    self._calls[:0] = calls
                    self._wake.wait_for(lambda: self._stopping, timeout=0.5)
                    if self._stopping:
                        return
            except Exception as error:  # a bug: the rows stay `sending`, the evidence decides
                metrics.loop_failures.labels("recorder").inc()
                log.exception("record.bug", error=type(error).__name__, lost=len(outcomes))

    def _record(self, outcomes: list[Outcome], holds: list[NewHold]) -> None:
        began = time.monotonic()  # before any claim that `_write` may make: fences count from here
        try:
            tokens: dict[int, uuid.UUID] = {}
            continued = retried(lambda connection: self._write(connection, outcomes, holds, tokens))
        except (IntegrityError, DataError) as error:
            # A SID was bound elsewhere in the same instant, or the provider said what Postgres
            # cannot keep. Find out which it is, one by one; that one is for the evidence to settle.
            if len(outcomes) + len(holds) == 1:
                ids = [outcome.message_id for outcome in outcomes]
                log.error("record.not_kept", message_ids=ids, error=type(error.orig).__name__)
                return
            for held in holds:
                self._record([], [held])
            for outcome in outcomes:
                self._record([outcome], [])
            continued = []
        if continued:
            self._on_continued(continued, began)

    def _write(
        self,
        connection: Connection,
        outcomes: list[Outcome],
        holds: list[NewHold],
        tokens: dict[int, uuid.UUID],
    ) -> list[Claimed]:
        """`tokens` are those of the next parts, kept over tries: see `claim`."""
        if len({type(outcome) for outcome in outcomes}) > 1:  # in one order, whatever their kinds
            parts.lock(connection, [outcome.message_id for outcome in outcomes])
        applied = evidence.apply(
            connection,
            [o for o in outcomes if isinstance(o, Evidence)],
            poll_after=timedelta(seconds=settings().poll_after),
        )
        record.give_back(connection, [o for o in outcomes if isinstance(o, Return)])
        record.refuse(connection, [o for o in outcomes if isinstance(o, Refusal)])
        record.doubt(connection, [o for o in outcomes if isinstance(o, Doubt)])
        for held in holds:
            agents.hold(connection, held)
        # What an earlier try has claimed is found by its token, whatever `due_at` is asked for.
        hints = dict.fromkeys(tokens, 0) | dict(applied.continued)
        if not hints or not self._claims:
            return []
        tokens.update(
            {message_id: uuid.uuid4() for message_id in hints if message_id not in tokens}
        )
        claimed, _ = claim(
            connection,
            list(hints.items()),
            tokens=tokens,
            by=self._boot,
            reconcile_after=timedelta(seconds=settings().reconcile_after),
            platform=platform_account(),
            unasked=True,
        )
        return claimed
