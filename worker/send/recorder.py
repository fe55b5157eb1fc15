"""Record outcomes in a thread of its own, with one transaction for all that wait.

Outcomes that it cannot record now (Postgres restarts) wait in memory and are tried again. If this
process dies meanwhile, callbacks and the sweep find the outcomes.
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

#: Seconds in which outcomes gather for one transaction: it costs as much for one as for ten.
GATHER = 0.04


class Recorder(threading.Thread):
    """Records outcomes of the sending loop, and returns to it the claims of the next parts."""

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
        """Queue an outcome for recording; returns at once."""
        with self._wake:
            self._outcomes.append(outcome)
            if isinstance(outcome, Evidence):
                self._calls.append((campaign_id, False))
            elif isinstance(outcome, Refusal) and not outcome.suppress:  # an opt-out is no fault
                self._calls.append((campaign_id, True))
            self._wake.notify()

    def put_hold(self, held: NewHold | None) -> None:
        """Queue a hold for recording, if there is one; returns at once."""
        if held is None:
            return
        with self._wake:
            self._holds.append(held)
            self._wake.notify()

    def claim_no_more(self) -> None:
        """Claim no next parts from now on: they stay ready for other workers."""
        self._claims = False

    def stop(self, timeout: float) -> bool:
        """Record all that waits, then end. Returns False if that takes more than `timeout` s."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self.join(timeout)
        return not self.is_alive()

    def run(self) -> None:
        """Record all that waits, again and again, until stopped. No error ends the loop."""
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
            # Another process bound a SID at the same instant, or the provider sent a value that
            # Postgres cannot store. Try one by one; evidence decides the one that fails.
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
        """Write all. `tokens` are those of the next parts, the same in each retry: see `claim`."""
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
        # A retry finds the claims of an earlier try by their tokens, whatever `due_at` it asks for.
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
