"""Find out the outcome of calls that returned none, and of messages without a final status.

The reconciler asks the account that made the call, not the agent's present one: another account's
list never shows the message. It applies stored callbacks first: they end most doubts. Then the
provider's list decides. Absence from that list is proof only with a witness: a message that was
certainly accepted later than the doubtful call, and that the account's newest page showed before
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

#: Attempts in one run, and concurrent look-ups on one account.
BATCH: Final = 200
AT_ONCE: Final = 8
#: Clocks differ and lists round to the second: look for messages from this long before the claim.
BEFORE_CLAIM: Final = timedelta(seconds=60)
#: A provider may queue a message for its validity period (10 hours); a day later no news will come.
GIVE_UP_AFTER: Final = timedelta(seconds=36_000) + timedelta(days=1)
#: The newest messages of an account among which a witness is looked for.
NEWEST: Final = 50


def reconcile() -> int:
    """Look up all attempts that are due for it; returns how many."""
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
    """Ask one account, and log an error that concerns it alone: the others go on."""
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
    # Doubts about one number go in claim order, so that a message bound to the first is not found
    # again for the next. Different numbers go at once.
    by_phone: dict[str, list[Check]] = defaultdict(list)
    for check in sorted(doubts, key=lambda c: c.claimed_at):
        by_phone[check.phone].append(check)
    polls = [[check] for check in due if check.status != AttemptStatus.SENDING]
    await asyncio.gather(*(look_ups.run(checks) for checks in [*by_phone.values(), *polls]))


def _credentials(check: Check) -> Credentials | None:
    """The credentials of the account that made the call; None when they are gone."""
    found = credentials_for(check.provider, check.own)
    return found if account_name(check.provider, found.account) == check.account else None


def _decide_by_age(check: Check) -> None:
    """Decide by the attempt's age alone, without a look-up: nothing is found, nothing is proved.

    Its account is gone from the settings, or its provider has no look-up (see Abilities).
    """
    if check.status == AttemptStatus.SENDING:
        _conclude(check, Witness([]), age=_age(check))
    else:
        _look_later(check)


class LookUps:
    """One account's look-ups in one run. They end early when the provider does not answer.

    `listing` and `fetching` are None where the provider has no such look-up.
    """

    def __init__(self, listing: Lists | None, fetching: Fetches | None, witness: "Witness") -> None:
        self._listing = listing
        self._fetching = fetching
        self._witness = witness
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._unreachable = False

    async def run(self, checks: Sequence[Check]) -> None:
        """Decide or poll these attempts, in order."""
        async with self._at_once:
            for check in checks:
                if self._unreachable:
                    return
                try:
                    await self._look(check)
                except SendError as error:
                    # An error proves nothing; the next look-up is due soon.
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
        """Whether the page shows a message that was accepted after this call must have ended."""
        after = check.claimed_at + timedelta(seconds=settings().fence + settings().http_timeout[1])
        with transaction() as connection:
            return attempts_due.accepted_after(connection, self._seen, after)


async def _witness(adapter: Lists) -> Witness:
    try:
        return Witness([listed.sid for listed in await adapter.newest(NEWEST)])
    except SendError:
        return Witness([])


async def _decide(adapter: Lists, check: Check, witness: Witness) -> None:
    """Decide one doubtful call: bind the message that is found, or wait, or conclude."""
    # Take the age before the look-up: a freeze after it must not count as waiting.
    age = _age(check)
    listed = await adapter.list_to(check.phone, created_after=check.claimed_at - BEFORE_CLAIM)
    found = _choose(check, _unbound(check, listed))
    if found is not None:
        if not _has_elder(check):
            _bind(check, found, source="listing")
        return
    _conclude(check, witness, age=age)


def _conclude(check: Check, witness: Witness, *, age: float) -> None:
    """Nothing was found: wait, or decide. `age` is that before the look-up, in seconds."""
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
    """Our messages from this call's sender to this number that are bound to no attempt."""
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
    """Whether an earlier call to this number is in doubt too: the message may belong to that one.

    Another scheduler may be deciding it at this moment. Ours is due again when its lease ends.
    """
    with transaction() as connection:
        return attempts_due.has_elder(connection, check)


def _choose(check: Check, candidates: Sequence[Listed]) -> Listed | None:
    """This call's message. Only among several the body decides, because providers change it."""
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
        # A callback bound this SID at the same instant: the next look-up sees that.
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
    """Look up a message that was accepted and has no final status yet."""
    found = await adapter.fetch(check.sid) if check.sid else None
    if found is not None and found.status is not None:
        _bind(check, found, source="poll")
    _look_later(check)


def _look_later(check: Check) -> None:
    """Wait twice as long before each further look-up, 24 times POLL_AFTER at the most."""
    if clock.now() > check.claimed_at + GIVE_UP_AFTER:
        retried(lambda connection: attempts_due.look_no_more(connection, check))
    else:
        wait = settings().poll_after * min(2**check.checks, 24)
        at = clock.now() + timedelta(seconds=wait)
        retried(lambda connection: attempts_due.look_again(connection, check, at=at))
