"""The life of messages over the real statements, in any order the world may choose (row 25).

Hypothesis plays dispatcher, workers, carrier, callbacks, reconciler and operator. What the carrier
accepted is the truth. Two things the clock sees to in reality are rules of the play here: no call
is written after its reconciliation (FENCE), and absence is concluded only of what did not go.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from shared.db.session import transaction
from shared.domain.campaign import CampaignStatus
from shared.domain.message import RANK, may_become
from shared.ledger import callbacks, campaigns, due, evidence, record
from shared.ledger.callbacks import CallbackRow
from shared.ledger.claim import Claimed, claim
from shared.ledger.evidence import Evidence
from shared.ledger.record import PROVED_NOT_GONE, Doubt, Refusal, Return
from tests.support import factories

HOUR: Final = timedelta(hours=1)
#: A hint that runs out at once: a release may always have been lost.
NOW: Final = timedelta(0)
WENT: Final = {"accepted", "sent", "delivered", "undelivered"}
Hints = list[tuple[int, int]]


@dataclass(eq=False)
class Call:
    """One claimed call, as the worker that holds it and the carrier know it."""

    claimed: Claimed
    #: nobody may write it any more
    over: bool = False
    accepted: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.claimed.message_id, self.claimed.part

    @property
    def sid(self) -> str:
        return f"SM{self.claimed.token.hex}"


class Ledger(RuleBasedStateMachine):
    """Three messages of one campaign, one of them of two parts."""

    hints = Bundle("hints")
    calls = Bundle("calls")

    @initialize(peril=st.sampled_from([None, None, "pause", "cancel", "suppress", "expire"]))
    def an_upload(self, peril: str | None) -> None:
        """One kind of interference at the most, or a campaign would rarely live to see another."""
        self.peril = peril
        self.agent = factories.agent()
        factories.sender(self.agent)
        self.campaign = factories.campaign(self.agent)
        texts = (("hello",), ("hello",), ("hello, ", "this is long"))
        self.ids = [factories.message(self.campaign, self.agent, parts=parts) for parts in texts]
        self.made: list[Call] = []
        self.seen = factories.one(
            "SELECT coalesce(max(seq), 0) AS seq FROM chaos_message_history"
        ).seq

    # -- dispatcher and workers ----------------------------------------------------------------

    @rule(target=hints, n=st.integers(1, 3))
    def release(self, n: int) -> Hints:
        with transaction() as connection:
            found = due.hint(connection, [(self.campaign, self.agent, n)], stale=NOW)
        return [(hint.message_id, hint.due) for hint in found]

    @rule(target=calls, release=hints)
    def claim(self, release: Hints) -> Any:
        """Also of a release that is old, or came twice: the bundle keeps it."""
        with transaction() as connection:
            claimed, _ = claim(connection, release, by="model", reconcile_after=HOUR)
        return self._calls(claimed)

    @rule(call=calls)
    def write(self, call: Call) -> None:
        """The carrier accepts it."""
        if not call.over:
            call.over = call.accepted = True

    @rule(target=calls, call=calls)
    def record_the_answer(self, call: Call) -> Any:
        """The 201 is recorded, at any time, or again; the recorder claims the next part with it."""
        if not call.accepted:
            return multiple()
        with transaction() as connection:
            done = evidence.apply(connection, [_said(call, "accepted", "answer")], poll_after=HOUR)
            more, _ = claim(connection, done.continued, by="model", reconcile_after=HOUR)
        return self._calls(more)

    @rule(call=calls)
    def record_a_doubt(self, call: Call) -> None:
        with transaction() as connection:
            record.doubt(
                connection, [Doubt(call.claimed.message_id, call.claimed.token, "time-out")]
            )

    @rule(call=calls, outcome=st.sampled_from(["fence", "not written", "throttled"]))
    def give_back(self, call: Call, outcome: str) -> None:
        """The worker knows that it wrote nothing; late, when it was frozen meanwhile."""
        if call.accepted:
            return
        call.over = True
        self._give_back(Return(call.claimed.message_id, call.claimed.token, outcome))

    @rule(call=calls, opted_out=st.booleans())
    def refuse(self, call: Call, opted_out: bool) -> None:
        if call.over:
            return
        call.over = True
        refusal = Refusal(
            call.claimed.message_id, call.claimed.token, "refused", 21610, suppress=opted_out
        )
        with transaction() as connection:
            record.refuse(connection, [refusal])

    # -- evidence ------------------------------------------------------------------------------

    @rule(call=calls, status=st.sampled_from(sorted(WENT)))
    def call_back(self, call: Call, status: str) -> None:
        """In any order, any number of times, also contradicting each other."""
        if not call.accepted:
            return
        kept = CallbackRow(
            provider="twilio", message_id=call.claimed.message_id, part=call.claimed.part,
            token=call.claimed.token, sid=call.sid, status=status, rank=RANK[status],
            error_code=None, raw="{}", account=factories.ACCOUNT,
        )  # fmt: skip
        with transaction() as connection:
            callbacks.keep(connection, [kept])

    @rule(size=st.integers(1, 3))
    def drain(self, size: int) -> None:
        with transaction() as connection:
            callbacks.apply_waiting(connection, size, HOUR)

    @rule(call=calls, witness=st.booleans(), listed=st.booleans())
    def reconcile(self, call: Call, witness: bool, listed: bool) -> None:
        """The list shows it; or it does not, and then only a witness makes that a proof."""
        call.over = True
        callbacks.drain(HOUR)
        if call.accepted and listed:
            self._apply(_said(call, "sent", "listing"))
        elif not call.accepted and witness:
            key = call.claimed.message_id, call.claimed.token
            self._give_back(Return(*key, PROVED_NOT_GONE, counts=True))
        else:
            with transaction() as connection:
                record.park(connection, [(call.claimed.message_id, call.claimed.token)])

    # -- operators and time --------------------------------------------------------------------

    @rule(status=st.sampled_from(["running", "paused"]))
    @precondition(lambda self: self.peril == "pause" and self._campaign() != "finished")
    def pause_or_resume(self, status: str) -> None:
        if self._campaign() != status:
            self._move(CampaignStatus(status))

    @rule(settled=st.booleans())
    @precondition(lambda self: self.peril == "cancel" and self._campaign() != "finished")
    def cancel(self, settled: bool) -> None:
        if self._campaign() != "cancelled":
            self._move(CampaignStatus.CANCELLED)
        if settled:
            with transaction() as connection:
                campaigns.cancel_some(connection, self.campaign)

    @rule(which=st.integers(0, 2))
    @precondition(lambda self: self.peril == "suppress")
    def suppress(self, which: int) -> None:
        factories.change(
            "INSERT INTO suppression (phone, source) SELECT phone, 'test' FROM recipient"
            " WHERE id = (SELECT recipient_id FROM message WHERE id = :id) ON CONFLICT DO NOTHING",
            id=self.ids[which],
        )

    @rule(noticed=st.booleans())
    @precondition(lambda self: self.peril == "expire")
    def time_is_up(self, noticed: bool) -> None:
        factories.change("UPDATE campaign SET send_before = now() WHERE id = :id", id=self.campaign)
        if noticed:
            with transaction() as connection:
                campaigns.expire_some(connection)

    @rule()
    def finish(self) -> None:
        with transaction() as connection:
            campaigns.finish_done(connection)

    # -- what must hold after every step -------------------------------------------------------

    @invariant()
    def nobody_is_texted_twice(self) -> None:
        went = Counter(call.key for call in getattr(self, "made", []) if call.accepted)
        assert all(times == 1 for times in went.values()), went

    @invariant()
    def every_move_is_in_the_table_and_an_end_is_the_end(self) -> None:
        if not hasattr(self, "ids"):
            return
        moves = factories.rows(
            "SELECT seq, id, old, new FROM chaos_message_history WHERE seq > :seen ORDER BY seq",
            seen=self.seen,
        )
        for move in moves:
            self.seen = move.seq
            assert may_become(move.old, move.new), move
            assert move.old not in {"delivered", "undelivered"}, move

    @invariant()
    def every_sid_is_on_the_call_it_was_given_to(self) -> None:
        given = {
            call.claimed.token: call.sid for call in getattr(self, "made", []) if call.accepted
        }
        found = factories.rows(
            "SELECT token, sid FROM attempt WHERE sid IS NOT NULL AND message_id = ANY (:ids)",
            ids=getattr(self, "ids", []),
        )
        for attempt in found:
            assert given.get(attempt.token) == attempt.sid, attempt

    def teardown(self) -> None:
        """In the end, when all evidence is in, the ledger says what the carrier knows."""
        if not hasattr(self, "ids"):
            return
        callbacks.drain(HOUR)
        for call in self.made:
            if call.accepted:
                self._apply(_said(call, "delivered", "poll"))
        went = {call.key for call in self.made if call.accepted}
        for message in factories.rows(
            "SELECT id, status, cardinality(cuts) AS more FROM message WHERE id = ANY (:ids)",
            ids=self.ids,
        ):
            if all((message.id, part) in went for part in range(message.more + 1)):
                assert message.status in {"delivered", "undelivered"}, message
            elif message.more == 0:
                assert message.status not in {"accepted", "sent", "delivered", "undelivered"}, (
                    message
                )

    # -- parts of the rules --------------------------------------------------------------------

    def _calls(self, claimed: list[Claimed]) -> Any:
        made = [Call(one) for one in claimed]
        self.made += made
        return multiple(*made)

    def _apply(self, said: Evidence) -> None:
        with transaction() as connection:
            evidence.apply(connection, [said], poll_after=HOUR)

    def _give_back(self, returned: Return) -> None:
        with transaction() as connection:
            record.give_back(connection, [returned])

    def _move(self, to: CampaignStatus) -> None:
        with transaction() as connection:
            campaigns.move(connection, self.campaign, to, action="play")

    def _campaign(self) -> str:
        found = factories.one("SELECT status FROM campaign WHERE id = :id", id=self.campaign)
        return str(found.status)


def _said(call: Call, status: str, source: str) -> Evidence:
    return Evidence(call.claimed.message_id, call.claimed.token, call.sid, status, source=source)
