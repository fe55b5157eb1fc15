"""Find out what became of calls nobody saw the end of, and of messages without an end.

Each is asked of the account it was called with, whatever its agent has now: on another account's
list it is always absent. Stored callbacks come first: most doubts end there. Then the provider's
own list decides, and absence from it proves something only with a witness: a message we know was
accepted later than the doubtful call could have been, standing on the account's newest page before
the look-up.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shared import clock
from shared.db.session import retried, statement, transaction
from shared.domain.message import AttemptStatus
from shared.errors import Refused, VolleyError
from shared.ledger import attempts_due, callbacks, evidence, record
from shared.ledger.attempts_due import Check
from shared.ledger.evidence import Evidence
from shared.ledger.late_failures import react
from shared.ledger.record import PROVED_NOT_GONE, RESENT, Return
from shared.logging import get_logger
from shared.providers.accounts import account_name, credentials_for
from shared.providers.adapters import adapter_for, close_adapters
from shared.providers.base import Credentials, Fetches, Listed, Lists, fetches, lists
from shared.providers.errors import SendError, Unknown, Unreachable
from shared.settings import settings

log = get_logger(__name__)

#: Attempts looked after in one run, and look-ups under way at once on one account.
BATCH: Final = 200
AT_ONCE: Final = 8
#: Clocks differ and lists are rounded to the second: look this far before the claim.
BEFORE_CLAIM: Final = timedelta(seconds=60)
#: A provider's queue may hold a message for its validity period; a day later nothing more will
#: come.
GIVE_UP_AFTER: Final = timedelta(seconds=36_000) + timedelta(days=1)
#: The account's newest messages that are looked through for a witness.
NEWEST: Final = 50


def reconcile() -> int:
    """Look after all attempts whose time has come; returns how many."""
    if retried(callbacks.waiting, within=statement):
        callbacks.drain(timedelta(seconds=settings().poll_after))
    total = 0
    lease = timedelta(seconds=sum(settings().http_timeout) * 3)
    while True:
        due = retried(partial(attempts_due.take, size=BATCH, lease=lease), within=statement)
        if due:
            asyncio.run(_ask_accounts(due))
        total += len(due)
        if len(due) < BATCH:
            return total


async def _ask_accounts(due: Sequence[Check]) -> None:
    by_account: dict[str, list[Check]] = defaultdict(list)
    for check in due:
        by_account[check.account].append(check)
    try:
        await asyncio.gather(*(_ask_account_or_log(checks) for checks in by_account.values()))
    finally:
        await close_adapters()


async def _ask_account_or_log(due: Sequence[Check]) -> None:
    """One account that cannot be asked at all does not hold up the others."""
    try:
        await _ask_account(due)
    except VolleyError as error:
        log.error("reconcile.account_failed", account=due[0].account, reason=str(error))


async def _ask_account(due: Sequence[Check]) -> None:
    asks = next((check for check in due if check.trouble is None), due[0])
    if asks.trouble is not None:
        raise Refused("cannot_ask", asks.trouble)
    credentials = _credentials(asks)
    if credentials is None:
        log.error("reconcile.account_gone", account=asks.account, attempts=len(due))
        for check in due:
            _decide_by_age(check)
        return
    adapter = adapter_for(asks.provider, credentials)
    listing = lists(adapter)
    doubts = [check for check in due if check.status == AttemptStatus.SENDING]
    witness = await _witness(listing) if listing and doubts else Witness([])
    look_ups = LookUps(listing, fetches(adapter), witness)
    # Doubts about one number in claim order, so that what is bound to the first is not found again
    # for the next; different numbers at once.
    by_phone: dict[str, list[Check]] = defaultdict(list)
    for check in sorted(doubts, key=lambda c: c.claimed_at):
        by_phone[check.phone].append(check)
    polls = [[check] for check in due if check.status != AttemptStatus.SENDING]
    await asyncio.gather(*(look_ups.run(checks) for checks in [*by_phone.values(), *polls]))


def _credentials(check: Check) -> Credentials | None:
    """Those of the account it was called with; None when nobody here has them any more."""
    found = credentials_for(check.provider, check.own)
    return found if account_name(check.provider, found.account) == check.account else None


def _decide_by_age(check: Check) -> None:
    """Nobody can be asked about this attempt: nothing is found, and nothing is proved either.

    Its account is gone from the settings, or its provider has no way of asking (see Abilities).
    """
    if check.status == AttemptStatus.SENDING:
        _conclude(check, Witness([]), age=_age(check))
    else:
        _look_later(check)


class LookUps:
    """One account's look-ups of one run; it ends early when the provider cannot be asked.

    `listing` and `fetching` are None where the provider has no such look-up.
    """

    def __init__(self, listing: Lists | None, fetching: Fetches | None, witness: "Witness") -> None:
        self._listing = listing
        self._fetching = fetching
        self._witness = witness
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._unreachable = False

    async def run(self, checks: Sequence[Check]) -> None:
        """Decide or poll these, in order."""
        async with self._at_once:
            for check in checks:
                if self._unreachable:
                    return
                try:
                    await self._look(check)
                except SendError as error:
                    # Nothing is concluded from that; the next look is due soon.
                    self._unreachable = isinstance(error, Unreachable | Unknown)
                    log.warning(
                        "reconcile.cannot_ask", message_id=check.message_id, code=error.code
                    )

    async def _look(self, check: Check) -> None:
        if check.status == AttemptStatus.SENDING and self._listing:
            await _decide(self._listing, check, self._witness)
        elif check.status != AttemptStatus.SENDING and self._fetching:
            await _poll(self._fetching, check)
        else:
            _decide_by_age(check)


class Witness:
    """The SIDs on the account's newest page, seen before any look-up of this run."""

    def __init__(self, seen: Sequence[str]) -> None:
        self._seen = list(seen)

    def proves_absence_of(self, check: Check) -> bool:
        """Whether the list shows a message that was accepted when this call must have ended."""
        after = check.claimed_at + timedelta(seconds=settings().fence + settings().http_timeout[1])
        with transaction() as connection:
            return attempts_due.accepted_after(connection, self._seen, after)


async def _witness(adapter: Lists) -> Witness:
    try:
        return Witness([listed.sid for listed in await adapter.newest(NEWEST)])
    except SendError:
        return Witness([])


async def _decide(adapter: Lists, check: Check, witness: Witness) -> None:
    """The verdict on one doubtful call: bind what is found, or wait, or conclude."""
    # From before the look: a process that freezes after it has not been patient meanwhile.
    age = _age(check)
    listed = await adapter.list_to(check.phone, created_after=check.claimed_at - BEFORE_CLAIM)
    found = _choose(check, _unbound(check, listed))
    if found is not None:
        if not _has_elder(check):
            _bind(check, found, source="listing")
        return
    _conclude(check, witness, age=age)


def _conclude(check: Check, witness: Witness, *, age: float) -> None:
    """Nothing was found: wait, or decide. `age` is the call's, in seconds, before the look."""
    later = [at for at in settings().reconcile_checks if at > age]
    if later:
        _look_again(check, check.claimed_at + timedelta(seconds=later[0]))
    elif witness.proves_absence_of(check):
        _proved_not_gone(check)
    elif settings().on_unknown == "resend":
        _resend(check)
    else:
        retried(lambda connection: record.park(connection, [(check.message_id, check.token)]))
        log.warning("message.unknown", message_id=check.message_id)


def _unbound(check: Check, listed: Sequence[Listed]) -> list[Listed]:
    """Messages of ours to this number that no attempt has, from the sender of this call."""
    ours = [
        one
        for one in listed
        if (one.direction or "").startswith("outbound")
        and (
            (check.sender is not None and one.sender == check.sender)
            or (check.sender_pool is not None and one.sender_pool == check.sender_pool)
        )
    ]
    with transaction() as connection:
        bound = attempts_due.bound(connection, [one.sid for one in ours])
    return [one for one in ours if one.sid not in bound]


def _has_elder(check: Check) -> bool:
    """Whether an earlier call to this number is in doubt too: what is found may be of that one.

    Another scheduler may be looking after it at this moment. Ours is due again when its lease ends.
    """
    with transaction() as connection:
        return attempts_due.has_elder(connection, check)


def _choose(check: Check, candidates: Sequence[Listed]) -> Listed | None:
    """The one that is this call's. The body only tells several apart: providers change it."""
    if len(candidates) > 1:
        same = [one for one in candidates if one.body == check.text]
        candidates = same or candidates
    return min(candidates, key=lambda one: one.created_at or clock.now(), default=None)


def _bind(check: Check, found: Listed, *, source: str) -> None:
    status = found.status or AttemptStatus.ACCEPTED.value
    proof = Evidence(
        message_id=check.message_id,
        token=check.token,
        sid=found.sid,
        status=status,
        error_code=found.error_code,
        source=source,
    )
    poll_after = timedelta(seconds=settings().poll_after)
    try:
        retried(partial(_apply, proof=proof, poll_after=poll_after))
    except IntegrityError:
        # A callback bound this SID elsewhere in the same instant: the next look sees that.
        return
    log.info("message.bound", message_id=check.message_id, source=source, status=status)


def _apply(connection: Connection, proof: Evidence, poll_after: timedelta) -> None:
    react(connection, evidence.apply(connection, [proof], poll_after=poll_after).failures)


def _age(check: Check) -> float:
    return (clock.now() - check.claimed_at).total_seconds()


def _look_again(check: Check, at: datetime) -> None:
    retried(lambda connection: attempts_due.look_again(connection, check, at=at))


def _proved_not_gone(check: Check) -> None:
    back = Return(check.message_id, check.token, PROVED_NOT_GONE, counts=True)
    retried(lambda connection: record.give_back(connection, [back]))
    log.info("message.proved_not_gone", message_id=check.message_id)


def _resend(check: Check) -> None:
    back = Return(check.message_id, check.token, RESENT, counts=True)
    retried(lambda connection: record.give_back(connection, [back]))
    log.warning("message.resent_without_proof", message_id=check.message_id)


async def _poll(adapter: Fetches, check: Check) -> None:
    """Ask for a message that was accepted and has no end yet."""
    found = await adapter.fetch(check.sid) if check.sid else None
    if found is not None and found.status is not None:
        _bind(check, found, source="poll")
    _look_later(check)


def _look_later(check: Check) -> None:
    """Each look waits longer: most that are late are very late."""
    if clock.now() > check.claimed_at + GIVE_UP_AFTER:
        retried(lambda connection: attempts_due.look_no_more(connection, check))
    else:
        wait = settings().poll_after * min(2**check.checks, 24)
        at = clock.now() + timedelta(seconds=wait)
        retried(lambda connection: attempts_due.look_again(connection, check, at=at))
